// Pipes: large blocking writes complete, EOF, EPIPE and SIGPIPE, O_NONBLOCK of the program's own, vectors.
#include "check.h"
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

enum { BIG = 4 << 20 };

static int p[2];

static unsigned char pattern(size_t i)
{
    return (unsigned char)(i * 131 + (i >> 9));
}

static void *write_big(void *arg)
{
    unsigned char *buf = malloc(BIG);
    for (size_t i = 0; i < BIG; i++)
        buf[i] = pattern(i);
    CHECK_EQ(write(p[1], buf, BIG), BIG); // one call, all of it
    struct iovec v[3] = {{buf, 1000000}, {buf + 1000000, 1}, {buf + 1000001, BIG - 1000001}};
    CHECK_EQ(writev(p[1], v, 3), BIG);
    free(buf);
    CHECK_EQ(close(p[1]), 0);
    return arg;
}

static void big_writes(void)
{
    CHECK_EQ(pipe(p), 0);
    pthread_t t = start(write_big, NULL);
    unsigned char buf[10000];
    size_t total = 0;
    for (;;) {
        struct iovec v[2] = {{buf, 123}, {buf + 123, sizeof buf - 123}};
        ssize_t n = total % 3 ? read(p[0], buf, sizeof buf) : readv(p[0], v, 2);
        CHECK(n >= 0);
        if (n == 0)
            break;
        for (ssize_t i = 0; i < n; i++)
            CHECK_EQ(buf[i], pattern((total + (size_t)i) % BIG));
        total += (size_t)n;
    }
    finish(t);
    CHECK_EQ(close(p[0]), 0);
    printf("big writes: %zu bytes\n", total);
}

static void *read_one(void *arg)
{
    char c = 0;
    ssize_t n = read(p[0], &c, 1);
    (void)arg;
    return (void *)(intptr_t)(n == 1 ? c : n);
}

static void many_readers(void)
{
    enum { N = 100 };
    pthread_t t[N];
    long sum = 0;
    CHECK_EQ(pipe2(p, O_CLOEXEC), 0);
    for (int i = 0; i < N; i++)
        t[i] = start(read_one, NULL);
    for (int i = 0; i < N / 2; i++) {
        char c = 3;
        CHECK_EQ(write(p[1], &c, 1), 1);
    }
    CHECK_EQ(close(p[1]), 0); // end of file for the rest
    for (int i = 0; i < N; i++)
        sum += (long)finish(t[i]);
    CHECK_EQ(close(p[0]), 0);
    printf("many readers: %ld\n", sum);
}

// Writes of at most PIPE_BUF bytes are never mixed.
static void *write_records(void *arg)
{
    char record[512];
    memset(record, 'a' + (int)(intptr_t)arg, sizeof record);
    for (int i = 0; i < 300; i++)
        CHECK_EQ(write(p[1], record, sizeof record), sizeof record);
    return NULL;
}

static void atomic_records(void)
{
    pthread_t t[8];
    int seen[8] = {0};
    CHECK_EQ(pipe(p), 0);
    for (intptr_t i = 0; i < 8; i++)
        t[i] = start(write_records, (void *)i);
    for (int i = 0; i < 8 * 300; i++) {
        char record[512];
        read_all(p[0], record, sizeof record);
        for (size_t k = 1; k < sizeof record; k++)
            CHECK_EQ(record[k], record[0]);
        seen[record[0] - 'a']++;
    }
    for (int i = 0; i < 8; i++) {
        finish(t[i]);
        CHECK_EQ(seen[i], 300);
    }
    close(p[0]);
    close(p[1]);
    puts("atomic records");
}

static void *write_to_nobody(void *arg)
{
    CHECK_ERRNO(write(p[1], "x", 1), EPIPE);
    return arg;
}

static void *write_until_broken(void *arg)
{
    char *buf = calloc(1, 1 << 20);
    ssize_t n = write(p[1], buf, 1 << 20); // blocks; then the reader goes
    CHECK(n == -1 || n < 1 << 20);
    CHECK_ERRNO(write(p[1], buf, 1), EPIPE);
    free(buf);
    return arg;
}

static void broken(void)
{
    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    CHECK_EQ(pipe(p), 0);
    CHECK_EQ(close(p[0]), 0);
    finish(start(write_to_nobody, NULL));
    CHECK_EQ(close(p[1]), 0);
    CHECK_EQ(pipe(p), 0);
    pthread_t t = start(write_until_broken, NULL);
    char c;
    read_all(p[0], &c, 1); // it is writing now
    CHECK_EQ(close(p[0]), 0);
    finish(t);
    CHECK_EQ(close(p[1]), 0);
    CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    puts("broken pipes");
}

static void killed_by_sigpipe(void)
{
    int status;
    fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        CHECK_EQ(pipe(p), 0);
        CHECK_EQ(close(p[0]), 0);
        finish(start(write_to_nobody, NULL));
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status));
    printf("killed by SIGPIPE: %d\n", WTERMSIG(status) == SIGPIPE);
}

static void nonblocking(void)
{
    char buf[4096] = {0};
    CHECK_EQ(pipe2(p, O_NONBLOCK), 0);
    CHECK_ERRNO(read(p[0], buf, sizeof buf), EAGAIN);
    size_t room = (size_t)fcntl(p[1], F_GETPIPE_SZ), total = 0;
    ssize_t n;
    while ((n = write(p[1], buf, sizeof buf)) > 0)
        total += (size_t)n;
    CHECK_EQ(errno, EAGAIN);
    CHECK_EQ(total, room);
    read_all(p[0], buf, sizeof buf);
    char *big = calloc(1, 1 << 20);
    CHECK_EQ(write(p[1], big, 1 << 20), sizeof buf); // a short one
    free(big);
    CHECK(fcntl(p[0], F_GETFL) & O_NONBLOCK);
    close(p[0]);
    close(p[1]);
    CHECK_ERRNO(read(p[0], buf, 1), EBADF);
    CHECK_ERRNO(write(p[1], buf, 1), EBADF);
    puts("non-blocking");
}

static void odd_calls(void)
{
    char buf[8];
    CHECK_EQ(pipe(p), 0);
    CHECK_EQ(read(p[0], buf, 0), 0);
    CHECK_EQ(write(p[1], buf, 0), 0);
    CHECK_ERRNO(read(p[1], buf, 1), EBADF);
    CHECK_ERRNO(write(p[0], buf, 1), EBADF);
    CHECK_EQ(write(p[1], "x", 1), 1);
    CHECK_ERRNO(read(p[0], (void *)opaque(8), 1), EFAULT);
    CHECK_ERRNO(pread(p[0], buf, 1, 0), ESPIPE);
    CHECK_ERRNO(lseek(p[0], 0, SEEK_CUR), ESPIPE);
    struct iovec v = {buf, 1};
    CHECK_ERRNO(readv(p[0], &v, (int)opaque((size_t)-1)), EINVAL);
    close(p[0]);
    close(p[1]);
    for (int sock = 0; sock < 2; sock++) {
        CHECK_EQ(sock ? socketpair(AF_UNIX, SOCK_STREAM, 0, p) : pipe(p), 0);
        CHECK_ERRNO(writev(p[1], (struct iovec *)opaque(16), 1), EFAULT);
        CHECK_ERRNO(writev(p[1], (struct iovec *)opaque(16), 2), EFAULT);
        CHECK_ERRNO(readv(p[0], (struct iovec *)opaque(16), 1), EFAULT);
        CHECK_ERRNO(readv(p[0], (struct iovec *)opaque(16), 2), EFAULT);
        close(p[0]);
        close(p[1]);
    }
    puts("odd calls");
}

int main(void)
{
    odd_calls();
    big_writes();
    many_readers();
    atomic_records();
    broken();
    killed_by_sigpipe();
    nonblocking();
    odd_calls();
    return 0;
}
