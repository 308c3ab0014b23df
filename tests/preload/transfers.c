// sendfile, splice, tee, vmsplice, copy_file_range: data, counts, positions, waiting and not waiting, errors.
#include "check.h"
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

enum { SIZE = 4 << 20 };

static char name[] = "/tmp/preload-XXXXXX";
static int file;

static unsigned char at(size_t i)
{
    return (unsigned char)(i * 167 + i / 251);
}

struct drain {
    int fd;
    size_t want;
};

static void *drain(void *arg)
{
    struct drain *d = arg;
    static _Thread_local unsigned char buf[50000];
    size_t got = 0;
    while (got < d->want) {
        ssize_t n = read(d->fd, buf, sizeof buf);
        CHECK(n > 0);
        for (ssize_t i = 0; i < n; i++)
            if (buf[i] != at(got + (size_t)i))
                CHECK_EQ(buf[i], at(got + (size_t)i));
        got += (size_t)n;
        if (got / 50000 % 16 == 0)
            nap_ms(1);
    }
    return NULL;
}

static void sendfile_to_socket(int type)
{
    int s[2];
    off_t from = 0;
    CHECK_EQ(socketpair(AF_UNIX, type, 0, s), 0);
    struct drain d = {s[0], SIZE};
    pthread_t t = start(drain, &d);
    CHECK_EQ(sendfile(s[1], file, &from, SIZE), SIZE); // a blocking socket takes all
    CHECK_EQ(from, SIZE);
    finish(t);
    CHECK_EQ(sendfile(s[1], file, &from, 100), 0);
    from = SIZE - 10;
    CHECK_EQ(sendfile(s[1], file, &from, 100), 10);
    CHECK_EQ(lseek(file, SIZE - 20, SEEK_SET), SIZE - 20);
    CHECK_EQ(sendfile(s[1], file, NULL, 5), 5);
    CHECK_EQ(lseek(file, 0, SEEK_CUR), SIZE - 15);
    struct timeval tv = {0, 20000};
    CHECK_EQ(setsockopt(s[1], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv), 0);
    from = 0;
    ssize_t n = sendfile(s[1], file, &from, SIZE); // nobody reads
    CHECK(n > 0 && n < SIZE && from == n);
    CHECK_ERRNO(sendfile(s[1], file, &from, SIZE), EAGAIN);
    tv.tv_usec = 0;
    CHECK_EQ(setsockopt(s[1], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv), 0);
    CHECK_EQ(fcntl(s[1], F_SETFL, O_NONBLOCK), 0);
    while ((n = sendfile(s[1], file, &from, SIZE)) > 0)
        ;
    CHECK_EQ(n, -1);
    CHECK_EQ(errno, EAGAIN);
    close(s[0]);
    CHECK_ERRNO(sendfile(s[1], file, &from, SIZE), EPIPE);
    CHECK_ERRNO(sendfile(-1, file, &from, 1), EBADF);
    CHECK_ERRNO(sendfile(s[1], -1, &from, 1), EBADF);
    CHECK_ERRNO(sendfile(s[1], file, (off_t *)8, 1), EFAULT);
    close(s[1]);
}

static int p[2], q[2];

static void *fill(void *arg)
{
    unsigned char buf[5000];
    for (size_t i = 0; i < SIZE;) {
        size_t k = 0;
        for (; k < sizeof buf && i < SIZE; k++, i++)
            buf[k] = at(i);
        write_all(*(int *)arg, buf, k);
    }
    return NULL;
}

// A pipe to a socket, a socket to a pipe, a pipe to a pipe: threads in a chain.
static void *pump(void *arg)
{
    int *fd = arg;
    size_t moved = 0;
    while (moved < SIZE) {
        ssize_t n = splice(fd[0], NULL, fd[1], NULL, SIZE - moved, moved % 2 ? SPLICE_F_MOVE : 0);
        CHECK(n > 0);
        moved += (size_t)n;
    }
    return NULL;
}

static void chain(void)
{
    int s[2], a[2], b[2];
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    CHECK_EQ(pipe(a), 0);
    CHECK_EQ(pipe(b), 0);
    int c[2], hop[3][2] = {{a[0], s[0]}, {s[1], b[1]}, {b[0], -1}};
    CHECK_EQ(pipe(c), 0);
    hop[2][1] = c[1];
    pthread_t t[5];
    for (int i = 0; i < 3; i++)
        t[i] = start(pump, hop[i]);
    t[3] = start(fill, &a[1]);
    struct drain d = {c[0], SIZE};
    t[4] = start(drain, &d);
    for (int i = 0; i < 5; i++)
        finish(t[i]);
    close(a[1]);
    CHECK_EQ(splice(a[0], NULL, s[0], NULL, 10, 0), 0); // the end
    int all[] = {s[0], s[1], a[0], b[0], b[1], c[0], c[1]};
    for (int i = 0; i < 7; i++)
        close(all[i]);
}

static volatile sig_atomic_t handled;
static volatile int ended;
static void handle(int sig)
{
    handled = sig;
}
static void *wait_in_splice(void *arg)
{
    ssize_t r = splice(p[0], NULL, q[1], NULL, 10, 0);
    ended = 1;
    return (void *)(r < 0 ? (intptr_t)-errno : (intptr_t)r + 0 * (intptr_t)arg);
}

static void pipes(void)
{
    char buf[100];
    CHECK_EQ(pipe(p), 0);
    CHECK_EQ(pipe(q), 0);
    CHECK_ERRNO(splice(p[0], NULL, q[1], NULL, 10, SPLICE_F_NONBLOCK), EAGAIN);
    CHECK_ERRNO(tee(p[0], q[1], 10, SPLICE_F_NONBLOCK), EAGAIN);
    pthread_t t = start(wait_in_splice, NULL);
    nap_ms(1);
    CHECK_EQ(write(p[1], "hello", 5), 5);
    CHECK_EQ((intptr_t)finish(t), 5);
    CHECK_EQ(tee(q[0], p[1], 3, 0), 3);
    CHECK_EQ(read(p[0], buf, 100), 3);
    CHECK_EQ(read(q[0], buf, 100), 5);
    struct iovec v[2] = {{"abc", 3}, {"defg", 4}};
    CHECK_EQ(vmsplice(p[1], v, 2, 0), 7);
    struct iovec w = {buf, 100};
    CHECK_EQ(vmsplice(p[0], &w, 1, 0), 7);
    CHECK_EQ(memcmp(buf, "abcdefg", 7), 0);
    CHECK_ERRNO(vmsplice(p[0], &w, 1, SPLICE_F_NONBLOCK), EAGAIN);
    // What cannot be does not wait.
    off_t zero = 0;
    CHECK_ERRNO(splice(p[0], &zero, q[1], NULL, 10, 0), ESPIPE);
    CHECK_ERRNO(splice(p[1], NULL, q[1], NULL, 10, 0), EBADF);
    CHECK_ERRNO(splice(p[0], NULL, q[0], NULL, 10, 0), EBADF);
    CHECK_ERRNO(splice(p[0], NULL, p[1], NULL, 10, 0), EINVAL);
    CHECK_ERRNO(splice(-1, NULL, p[1], NULL, 10, 0), EBADF);
    CHECK_ERRNO(splice(file, NULL, file, NULL, 10, 0), EINVAL);
    CHECK_ERRNO(tee(file, q[1], 10, 0), EINVAL);
    CHECK_ERRNO(tee(p[0], file, 10, 0), EINVAL);
    CHECK_ERRNO(vmsplice(file, &w, 1, 0), EBADF);
    CHECK_EQ(splice(p[0], NULL, q[1], NULL, 0, 0), 0);
    CHECK_EQ(fcntl(p[0], F_SETFL, O_NONBLOCK), 0);
    CHECK_ERRNO(splice(p[0], NULL, q[1], NULL, 10, 0), EAGAIN);
    CHECK_EQ(fcntl(p[0], F_SETFL, 0), 0);
    for (int restart = 1; restart >= 0; restart--) {
        struct sigaction sa = {.sa_handler = handle, .sa_flags = restart ? SA_RESTART : 0};
        CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
        handled = ended = 0;
        t = start(wait_in_splice, NULL);
        while (restart ? !handled : !ended) {
            pthread_kill(t, SIGUSR1);
            nap_ms(1);
        }
        if (restart)
            CHECK_EQ(write(p[1], "hello", 5), 5);
        printf("interrupted: %ld\n", (long)(intptr_t)finish(t));
    }
    close(p[1]);
    CHECK_EQ(splice(p[0], NULL, q[1], NULL, 10, 0), 0);
    close(q[0]);
    CHECK_EQ(pipe(p), 0);
    CHECK_EQ(write(p[1], "x", 1), 1);
    CHECK_ERRNO(splice(p[0], NULL, q[1], NULL, 10, 0), EPIPE);
}

int main(void)
{
    unsigned char *data = malloc(SIZE);
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < SIZE; i++)
        data[i] = at(i);
    CHECK((file = mkstemp(name)) >= 0);
    CHECK_EQ(write(file, data, SIZE), SIZE);
    free(data);
    pthread_t t = start(drain, &(struct drain){-1, 0}); // threads from here on
    finish(t);
    sendfile_to_socket(SOCK_STREAM);
    puts("sendfile");
    chain();
    puts("splice");
    pipes();
    int copy = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    CHECK(copy >= 0);
    off_t from = 100;
    CHECK_EQ(copy_file_range(file, &from, copy, NULL, 5000, 0), 5000);
    CHECK_EQ(from, 5100);
    unsigned char c;
    CHECK_EQ(pread(copy, &c, 1, 4999), 1);
    CHECK_EQ(c, at(5099));
    CHECK_ERRNO(copy_file_range(file, NULL, -1, NULL, 1, 0), EBADF);
    CHECK_ERRNO(copy_file_range(file, NULL, copy, NULL, 1, 77), EINVAL);
    CHECK_EQ(unlink(name), 0);
    return 0;
}
