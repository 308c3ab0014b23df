// Descriptor numbers reused at once for other kinds of files, by several threads, data checked; dup2 over open ones.
#include "check.h"
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>

enum { PARTNERS = 8, ROUNDS = 1000 };

struct partner {
    pthread_mutex_t m;
    pthread_cond_t c;
    int fd; // -1: none on offer
    int first_kind;
    uint64_t value;
};

static void open_kind(int kind, int fd[2])
{
    switch (kind) {
    case 0: CHECK_EQ(pipe(fd), 0); break;
    case 1: CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0); break;
    case 2: CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, fd), 0); break;
    case 3: CHECK_EQ(pipe2(fd, O_CLOEXEC), 0); break;
    case 4:
        CHECK((fd[0] = eventfd(0, EFD_CLOEXEC)) >= 0);
        CHECK((fd[1] = dup(fd[0])) >= 0);
        break;
    default:
        CHECK((fd[0] = memfd_create("x", MFD_CLOEXEC)) >= 0);
        CHECK((fd[1] = fcntl(fd[0], F_DUPFD_CLOEXEC, 0)) >= 0);
    }
}

// Reads what its partner is about to write, then closes the descriptor, so that its number is free again.
static void *reader(void *arg)
{
    struct partner *p = arg;
    for (int i = 0; i < ROUNDS; i++) {
        pthread_mutex_lock(&p->m);
        while (p->fd == -1)
            pthread_cond_wait(&p->c, &p->m);
        int fd = p->fd;
        uint64_t want = p->value, got = 0;
        p->fd = -1;
        pthread_mutex_unlock(&p->m);
        CHECK_EQ(read(fd, &got, sizeof got), sizeof got);
        CHECK_EQ(got, want);
        CHECK_EQ(close(fd), 0);
        pthread_cond_signal(&p->c);
    }
    return NULL;
}

static void *writer(void *arg)
{
    struct partner *p = arg;
    for (int i = 0; i < ROUNDS; i++) {
        int fd[2], kind = (p->first_kind + i) % 6;
        uint64_t value = (uint64_t)(uintptr_t)p << 16 | (unsigned)i;
        open_kind(kind, fd);
        if (kind == 5) // a regular file does not wait
            CHECK_EQ(pwrite(fd[1], &value, sizeof value, 0), sizeof value);
        pthread_mutex_lock(&p->m);
        while (p->fd != -1)
            pthread_cond_wait(&p->c, &p->m);
        p->value = value;
        p->fd = fd[0];
        pthread_mutex_unlock(&p->m);
        pthread_cond_signal(&p->c);
        if (i % 3 == 0)
            sched_yield();
        if (kind != 5)
            CHECK_EQ(write(fd[1], &value, sizeof value), sizeof value);
        CHECK_EQ(close(fd[1]), 0);
    }
    return NULL;
}

// One number, ever another file behind it.
static void *dup_over(void *arg)
{
    int target = dup(0);
    CHECK(target >= 0);
    for (int i = 0; i < ROUNDS; i++) {
        int fd[2];
        uint64_t value = (uint64_t)(intptr_t)arg * ROUNDS + (unsigned)i + 1, got = 0;
        open_kind(i % 5, fd);
        if (i % 2)
            CHECK_EQ(dup2(fd[0], target), target);
        else
            CHECK_EQ(dup3(fd[0], target, O_CLOEXEC), target);
        CHECK_EQ(close(fd[0]), 0);
        CHECK_EQ(write(fd[1], &value, sizeof value), sizeof value);
        CHECK_EQ(read(target, &got, sizeof got), sizeof got);
        CHECK_EQ(got, value);
        CHECK_EQ(close(fd[1]), 0);
    }
    CHECK_EQ(dup2(target, target), target);
    CHECK_ERRNO(dup3(target, target, 0), EINVAL);
    CHECK_EQ(close(target), 0);
    return NULL;
}

static void *close_ranges(void *arg)
{
    (void)arg;
    // Above what anybody else uses here.
    for (int i = 0; i < 100; i++) {
        int fd[2], a, b;
        open_kind(i % 4, fd);
        CHECK((a = fcntl(fd[0], F_DUPFD, 700)) >= 700);
        CHECK((b = fcntl(fd[1], F_DUPFD, 700)) >= 700);
        uint64_t value = (uint64_t)i, got = 99;
        CHECK_EQ(write(b, &value, sizeof value), sizeof value);
        CHECK_EQ(read(a, &got, sizeof got), sizeof got);
        CHECK_EQ(got, value);
        CHECK_EQ(close_range(700, 800, 0), 0);
        CHECK_ERRNO(read(a, &got, sizeof got), EBADF);
        close(fd[0]);
        close(fd[1]);
    }
    return NULL;
}

int main(void)
{
    static struct partner partners[PARTNERS];
    pthread_t r[PARTNERS], w[PARTNERS], d[4], c;
    for (int i = 0; i < PARTNERS; i++) {
        pthread_mutex_init(&partners[i].m, NULL);
        pthread_cond_init(&partners[i].c, NULL);
        partners[i].fd = -1;
        partners[i].first_kind = i;
        r[i] = start(reader, &partners[i]);
        w[i] = start(writer, &partners[i]);
    }
    for (intptr_t i = 0; i < 4; i++)
        d[i] = start(dup_over, (void *)i);
    c = start(close_ranges, NULL);
    for (int i = 0; i < PARTNERS; i++) {
        finish(r[i]);
        finish(w[i]);
    }
    for (int i = 0; i < 4; i++)
        finish(d[i]);
    finish(c);
    printf("%d descriptors by each of %d pairs\n", ROUNDS, PARTNERS);
    return 0;
}
