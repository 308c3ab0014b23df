// One thread reads from a stream while others close it, print to it, reopen it; and the descriptors that follow.
#include "check.h"
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>

static sem_t ready;
static char line[64];

static void *read_line(void *f)
{
    flockfile(f); // so that whoever comes after sem_post comes after us
    sem_post(&ready);
    void *r = fgets(line, (int)opaque(sizeof line), f);
    funlockfile(f);
    return r;
}
static void *read_number(void *arg)
{
    int fd = *(int *)arg;
    char c = 0;

    return (void *)(read(fd, &c, 1) == 1 ? (long)c : -1L);
}
static void *close_it(void *f)
{
    sem_post(&ready);
    return (void *)(long)fclose(f);
}
static void *print_it(void *f)
{
    sem_post(&ready);
    return (void *)(long)(fprintf(f, "from the %s\n", "printer") > 0 && fflush(f) == 0);
}

// fclose waits for the reader, as it must: the reader holds the stream's lock.
static void close_under_reader(void)
{
    int p[2];
    FILE *f;
    pthread_t r, c;

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
    CHECK((f = fdopen(p[0], "r+")) != NULL);
    r = start(read_line, f);
    sem_wait(&ready);
    c = start(close_it, f);
    sem_wait(&ready);
    nap_ms(2);
    write_all(p[1], "line\n", 5);
    CHECK(finish(r) == line);
    CHECK_EQ(strcmp(line, "line\n"), 0);
    CHECK_EQ((long)finish(c), 0);
    CHECK_EQ(read(p[1], line, 1), 0); // closed
    CHECK_ERRNO(fcntl(p[0], F_GETFD), EBADF);
    close(p[1]);
}

static void print_under_reader(void)
{
    int p[2];
    FILE *f;
    pthread_t r, w[8];
    char got[32];

    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
    CHECK((f = fdopen(p[0], "r+")) != NULL);
    r = start(read_line, f);
    sem_wait(&ready);
    CHECK(ftrylockfile(f) != 0);
    for (int i = 0; i < 8; i++)
        w[i] = start(print_it, f);
    for (int i = 0; i < 8; i++)
        sem_wait(&ready);
    write_all(p[1], "line\n", 5);
    CHECK(finish(r) == line);
    for (int i = 0; i < 8; i++) {
        CHECK_EQ((long)finish(w[i]), 1);
        read_all(p[1], got, 17);
        CHECK_EQ(memcmp(got, "from the printer\n", 17), 0);
    }
    CHECK_EQ(fclose(f), 0);
    close(p[1]);
}

// The number of a closed stream serves another kind of file at once.
static void reuse(void)
{
    int p[2], q[2], file;
    FILE *f;
    pthread_t t;

    for (int i = 0; i < 50; i++) {
        CHECK_EQ(i % 2 ? pipe(p) : socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
        CHECK((f = fdopen(p[0], "r")) != NULL);
        t = start(read_line, f);
        sem_wait(&ready);
        write_all(p[1], "line\n", 5);
        CHECK(finish(t) == line);
        CHECK_EQ(fclose(f), 0);
        if (i % 3 == 0) {
            file = open("/dev/zero", O_RDONLY);
            CHECK_EQ(file, p[0]);
            CHECK_EQ(read(file, line, 1), 1);
            CHECK_EQ(line[0], 0);
            close(file);
        }
        CHECK_EQ(i % 2 ? socketpair(AF_UNIX, SOCK_STREAM, 0, q) : pipe(q), 0);
        CHECK_EQ(q[0], p[0]);
        t = start(read_number, &q[0]);
        write_all(q[1], "7", 1);
        CHECK_EQ((long)finish(t), '7');
        close(p[1]), close(q[0]), close(q[1]);
    }
}

static void *reopen(void *f)
{
    sem_post(&ready);
    return freopen("/proc/self/comm", "r", f);
}

// The stream gets another file under its old number.
static void reopen_under_reader(void)
{
    int p[2];
    FILE *f;
    pthread_t r, t;

    CHECK_EQ(pipe(p), 0);
    CHECK((f = fdopen(p[0], "r")) != NULL);
    r = start(read_line, f);
    sem_wait(&ready);
    t = start(reopen, f);
    sem_wait(&ready);
    write_all(p[1], "line\n", 5);
    CHECK(finish(r) == line);
    CHECK(finish(t) == f);
    CHECK_EQ(fileno(f), p[0]);
    CHECK(fgets(line, (int)opaque(sizeof line), f));
    CHECK_EQ(strcmp(line, "stdio_close\n"), 0);
    CHECK(!fgets(line, (int)opaque(sizeof line), f) && feof(f));
    CHECK_EQ(fclose(f), 0);
    close(p[1]);
}

static void *popen_reader(void *arg)
{
    char cmd[64], got[64];
    FILE *f;
    int status;

    snprintf(cmd, sizeof cmd, "read x; echo $((%ld * 2)); exit %ld", (long)arg, (long)arg);
    CHECK((f = popen(cmd, "r")) != NULL); // stdin is /dev/null
    CHECK(fgets(got, (int)opaque(sizeof got), f));
    CHECK_EQ(atol(got), (long)arg * 2);
    CHECK(!fgets(got, (int)opaque(sizeof got), f));
    status = pclose(f);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), (long)arg);
    return NULL;
}
static void *popen_writer(void *arg)
{
    char cmd[64];
    FILE *f;
    int status, fd;

    snprintf(cmd, sizeof cmd, "n=0; while read x; do n=$((n+1)); done; exit $((n %% 100))");
    CHECK((f = popen(cmd, "w")) != NULL);
    fd = fileno(f);
    for (int i = 0; i < 5000 + (long)arg; i++)
        CHECK(fprintf(f, "a line of text, number %d\n", i) > 0);
    status = pclose(f); // the rest is written, then the child ends
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), (5000 + (long)arg) % 100);
    return (void *)(long)fd;
}

static void children(void)
{
    pthread_t t[12];

    for (long i = 0; i < 12; i++)
        t[i] = start(i % 2 ? popen_writer : popen_reader, (void *)i);
    for (int i = 0; i < 12; i++)
        finish(t[i]);
}

// While one thread waits in pclose, the number of the closed pipe serves another.
static void number_under_pclose(void)
{
    int p[2], fd, hold[2];
    char cmd[64];
    FILE *f;
    pthread_t t, r;

    CHECK_EQ(pipe(hold), 0);
    snprintf(cmd, sizeof cmd, "exec sh -c 'read x <&%d'", hold[0]);
    CHECK((f = popen(cmd, "w")) != NULL);
    fd = fileno(f);
    t = start((void *(*)(void *))(void *)pclose, f);
    while (fcntl(fd, F_GETFD) == 0)
        usleep(100);
    // For a moment the library may have it: it waits for the child by a descriptor, which the kernel numbers (README.md, "Limits").
    for (;;) {
        CHECK_EQ(pipe(p), 0);
        if (p[0] == fd || p[1] == fd)
            break;
        close(p[0]), close(p[1]);
    }
    r = start(read_number, &p[0]);
    nap_ms(2);
    write_all(p[1], "8", 1);
    CHECK_EQ((long)finish(r), '8');
    write_all(hold[1], "\n", 1);
    CHECK_EQ((int)(long)finish(t), 0);
    close(p[0]), close(p[1]), close(hold[0]), close(hold[1]);
}

int main(void)
{
    alarm(40);
    sem_init(&ready, 0, 0);
    close_under_reader();
    puts("closed");
    print_under_reader();
    puts("printed");
    reuse();
    puts("reused");
    reopen_under_reader();
    puts("reopened");
    children();
    number_under_pclose();
    puts("children");
    return 0;
}
