// SO_RCVTIMEO and SO_SNDTIMEO: EAGAIN and not early, partial results, inherited by accept, shared by dup.
#include "check.h"
#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

static void set_timeout(int fd, int option, long ms)
{
    struct timeval tv = {ms / 1000, ms % 1000 * 1000}, got;
    socklen_t len = sizeof got;
    CHECK_EQ(setsockopt(fd, SOL_SOCKET, option, &tv, sizeof tv), 0);
    CHECK_EQ(getsockopt(fd, SOL_SOCKET, option, &got, &len), 0);
    CHECK(got.tv_sec == tv.tv_sec && got.tv_usec >= tv.tv_usec && got.tv_usec < tv.tv_usec + 10000);
}

#define TICK 10000000LL // the kernel counts these in ticks, the first of which may be nearly over
#define TIMES_OUT(call, ms)                                                                        \
    do {                                                                                           \
        long long before_ = now_ns(CLOCK_MONOTONIC);                                               \
        CHECK_ERRNO(call, EAGAIN);                                                                 \
        CHECK(now_ns(CLOCK_MONOTONIC) - before_ >= (ms) * 1000000LL - TICK);                       \
    } while (0)

static void receive(int type)
{
    int fd[2];
    char buf[100];
    struct iovec v = {buf, sizeof buf};
    struct msghdr msg = {.msg_iov = &v, .msg_iovlen = 1};
    CHECK_EQ(socketpair(AF_UNIX, type, 0, fd), 0);
    set_timeout(fd[0], SO_RCVTIMEO, 20);
    TIMES_OUT(recv(fd[0], buf, sizeof buf, 0), 20);
    TIMES_OUT(read(fd[0], buf, sizeof buf), 20);
    TIMES_OUT(readv(fd[0], &v, 1), 20);
    TIMES_OUT(recvfrom(fd[0], buf, sizeof buf, 0, NULL, NULL), 20);
    TIMES_OUT(recvmsg(fd[0], &msg, 0), 20);
    int copy = dup(fd[0]);
    TIMES_OUT(recv(copy, buf, sizeof buf, 0), 20);
    set_timeout(copy, SO_RCVTIMEO, 40);
    TIMES_OUT(recv(fd[0], buf, sizeof buf, 0), 40);
    close(copy);
    if (type == SOCK_STREAM) {
        CHECK_EQ(send(fd[1], "abc", 3, 0), 3);
        long long before = now_ns(CLOCK_MONOTONIC);
        CHECK_EQ(recv(fd[0], buf, sizeof buf, MSG_WAITALL), 3); // what there is
        CHECK(now_ns(CLOCK_MONOTONIC) - before >= 40000000 - TICK);
    }
    CHECK_EQ(send(fd[1], "abc", 3, 0), 3);
    CHECK_EQ(recv(fd[0], buf, sizeof buf, 0), 3);
    close(fd[0]);
    close(fd[1]);
}

static void *write_after_a_while(void *arg)
{
    nap_ms(150);
    CHECK_EQ(send((int)(intptr_t)arg, "x", 1, 0), 1);
    return NULL;
}

static void long_timeout(void)
{
    int fd[2];
    char c;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    set_timeout(fd[0], SO_RCVTIMEO, 65536 + 10); // must not be cut to 16 bits
    pthread_t t = start(write_after_a_while, (void *)(intptr_t)fd[1]);
    CHECK_EQ(recv(fd[0], &c, 1, 0), 1);
    finish(t);
    set_timeout(fd[0], SO_RCVTIMEO, 0); // none again
    t = start(write_after_a_while, (void *)(intptr_t)fd[1]);
    CHECK_EQ(recv(fd[0], &c, 1, 0), 1);
    finish(t);
    struct timeval bad = {0, 1000000};
    CHECK_ERRNO(setsockopt(fd[0], SOL_SOCKET, SO_RCVTIMEO, &bad, sizeof bad), EDOM);
    close(fd[0]);
    close(fd[1]);
}

static void send_side(void)
{
    int fd[2];
    size_t size = 16 << 20;
    char *big = calloc(1, size);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    set_timeout(fd[0], SO_SNDTIMEO, 20);
    ssize_t n = send(fd[0], big, size, 0);
    CHECK(n > 0 && (size_t)n < size); // what fitted before the time was up
    TIMES_OUT(send(fd[0], big, size, 0), 20);
    TIMES_OUT(write(fd[0], big, 1 << 20), 20);
    free(big);
    close(fd[0]);
    close(fd[1]);
}

static void listeners(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    char c;
    int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    CHECK_EQ(listen(listener, 5), 0);
    CHECK_EQ(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    set_timeout(listener, SO_RCVTIMEO, 20);
    TIMES_OUT(accept(listener, NULL, NULL), 20);
    TIMES_OUT(accept4(listener, NULL, NULL, SOCK_CLOEXEC), 20);
    CHECK_EQ(connect(client, (struct sockaddr *)&at, sizeof at), 0);
    int fd = accept(listener, NULL, NULL);
    CHECK(fd >= 0);
    TIMES_OUT(recv(fd, &c, 1, 0), 20); // inherited
    set_timeout(client, SO_RCVTIMEO, 20);
    TIMES_OUT(recv(client, &c, 1, 0), 20);
    close(client);
    close(fd);
    close(listener);
}

static void connects(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    socklen_t len = sizeof at;
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), fillers[10], n = 0;
    CHECK_EQ(bind(listener, (struct sockaddr *)&at, sizeof(sa_family_t)), 0);
    CHECK_EQ(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    CHECK_EQ(listen(listener, 1), 0);
    do
        fillers[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    while (connect(fillers[n++], (struct sockaddr *)&at, len) == 0 && n < 10);
    CHECK_EQ(errno, EAGAIN);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    set_timeout(fd, SO_SNDTIMEO, 20);
    TIMES_OUT(connect(fd, (struct sockaddr *)&at, len), 20);
    while (n-- > 0)
        close(fillers[n]);
    close(fd);
    close(listener);
}

static void *all(void *arg)
{
    receive(SOCK_STREAM);
    receive(SOCK_DGRAM);
    receive(SOCK_SEQPACKET);
    send_side();
    listeners();
    connects();
    return arg;
}

int main(void)
{
    pthread_t t[10];
    all(NULL);
    puts("alone");
    for (int i = 0; i < 10; i++)
        t[i] = start(all, NULL);
    for (int i = 0; i < 10; i++)
        finish(t[i]);
    puts("ten at once");
    long_timeout();
    puts("long timeouts");
    return 0;
}
