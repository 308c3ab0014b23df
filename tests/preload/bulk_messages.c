// recvmmsg and sendmmsg: counts, lengths, flags, timeouts, errors; on datagram and on stream sockets.
#include "check.h"
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>

enum { N = 40 };

struct batch {
    struct mmsghdr m[N];
    struct iovec v[N];
    char buf[N][64];
};

static void set_up(struct batch *b, size_t len)
{
    memset(b, 0, sizeof *b);
    for (int i = 0; i < N; i++) {
        b->v[i] = (struct iovec){b->buf[i], len};
        b->m[i].msg_hdr.msg_iov = &b->v[i];
        b->m[i].msg_hdr.msg_iovlen = 1;
    }
}

static int s[2];

static void *send_slowly(void *arg)
{
    for (intptr_t i = 0; i < (intptr_t)arg; i++) {
        char c[2] = {(char)i, 'x'};
        CHECK_EQ(send(s[1], c, 2, 0), 2);
        if (i % 7 == 0)
            nap_ms(1);
    }
    return NULL;
}

static void datagrams(int type)
{
    static struct batch b;
    CHECK_EQ(socketpair(AF_UNIX, type, 0, s), 0);
    set_up(&b, 64);
    pthread_t t = start(send_slowly, (void *)N);
    CHECK_EQ(recvmmsg(s[0], b.m, N, 0, NULL), N); // waits for all
    for (int i = 0; i < N; i++) {
        CHECK_EQ(b.m[i].msg_len, 2);
        CHECK_EQ(b.buf[i][0], i);
    }
    finish(t);
    t = start(send_slowly, (void *)1);
    CHECK_EQ(recvmmsg(s[0], b.m, N, MSG_WAITFORONE, NULL), 1);
    finish(t);
    CHECK_ERRNO(recvmmsg(s[0], b.m, N, MSG_DONTWAIT, NULL), EAGAIN);
    CHECK_EQ(recvmmsg(s[0], b.m, 0, 0, NULL), 0);
    struct timespec bad = {0, 1000000000}, none = {0, 0};
    CHECK_ERRNO(recvmmsg(s[0], b.m, 1, 0, &bad), EINVAL);
    CHECK_ERRNO(recvmmsg(s[0], b.m, 1, 0, (struct timespec *)8), EFAULT);
    CHECK_EQ(send(s[1], "ab", 2, 0), 2);
    CHECK_EQ(send(s[1], "ab", 2, 0), 2);
    int got = recvmmsg(s[0], b.m, N, 0, &none); // looked at after each message
    CHECK(got >= 1 && got <= 2);
    if (got == 1)
        CHECK_EQ(recvmmsg(s[0], b.m, 1, 0, NULL), 1);
    struct timespec some = {1000, 0};
    CHECK_EQ(send(s[1], "ab", 2, 0), 2);
    CHECK_EQ(recvmmsg(s[0], b.m, 1, 0, &some), 1);
    CHECK(some.tv_sec < 1000 && some.tv_sec > 900);
    struct timeval tv = {0, 20000};
    CHECK_EQ(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv), 0);
    CHECK_ERRNO(recvmmsg(s[0], b.m, N, 0, NULL), EAGAIN);
    CHECK_EQ(send(s[1], "ab", 2, 0), 2);
    CHECK_EQ(recvmmsg(s[0], b.m, N, 0, NULL), 1); // the timeout ends it with what came
    // A truncated message, and one too long for the peer's type is the sender's error.
    b.v[0].iov_len = 1;
    CHECK_EQ(send(s[1], "ab", 2, 0), 2);
    CHECK_EQ(recvmmsg(s[0], b.m, 1, 0, NULL), 1);
    CHECK_EQ(b.m[0].msg_len, 1);
    CHECK(b.m[0].msg_hdr.msg_flags & MSG_TRUNC);
    close(s[0]);
    close(s[1]);
}

static void *take_slowly(void *arg)
{
    static char buf[70000];
    intptr_t total = 0, want = (intptr_t)arg;
    while (total < want) {
        ssize_t n = recv(s[0], buf, sizeof buf, 0);
        CHECK(n > 0);
        total += n;
        if (total / 50000 % 3 == 0)
            nap_ms(1);
    }
    return (void *)total;
}

static void sending(int type)
{
    static struct batch b;
    static char big[20000];
    CHECK_EQ(socketpair(AF_UNIX, type, 0, s), 0);
    set_up(&b, 64);
    for (int i = 0; i < N; i++)
        b.v[i] = (struct iovec){big, sizeof big};
    pthread_t t = start(take_slowly, (void *)(4 * N * sizeof big));
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(sendmmsg(s[1], b.m, N, 0), N); // more than the buffers hold
        for (int k = 0; k < N; k++)
            CHECK_EQ(b.m[k].msg_len, sizeof big);
    }
    CHECK_EQ((intptr_t)finish(t), (intptr_t)(4 * N * sizeof big));
    int n = sendmmsg(s[1], b.m, N, MSG_DONTWAIT);
    CHECK(n > 0 && n < N);
    CHECK_ERRNO(sendmmsg(s[1], b.m, N, MSG_DONTWAIT), EAGAIN);
    CHECK_EQ(sendmmsg(s[1], b.m, 0, 0), 0);
    close(s[0]);
    CHECK_EQ(sendmmsg(s[1], b.m, N, MSG_NOSIGNAL), -1);
    printf("gone: %d\n", type == SOCK_STREAM ? errno == EPIPE || errno == ECONNRESET : errno);
    close(s[1]);
}

static void streams(void)
{
    static struct batch b;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    set_up(&b, 2);
    pthread_t t = start(send_slowly, (void *)N);
    CHECK_EQ(recvmmsg(s[0], b.m, N, MSG_WAITALL, NULL), N);
    for (int i = 0; i < N; i++) {
        CHECK_EQ(b.m[i].msg_len, 2);
        CHECK_EQ(b.buf[i][0], i);
    }
    finish(t);
    shutdown(s[1], SHUT_WR);
    CHECK_EQ(recvmmsg(s[0], b.m, 3, 0, NULL), 3); // the end, three times
    CHECK_EQ(b.m[2].msg_len, 0);
    close(s[0]);
    close(s[1]);
}

static volatile sig_atomic_t handled;
static void handle(int sig)
{
    handled = sig;
}
static void *interrupted(void *arg)
{
    static struct batch b;
    set_up(&b, 64);
    int r = recvmmsg(s[0], b.m, 2, 0, NULL);
    return (void *)(intptr_t)(r < 0 ? -errno : r + 0 * (intptr_t)arg);
}

static void signals(int flags)
{
    struct sigaction sa = {.sa_handler = handle, .sa_flags = flags};
    CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, s), 0);
    handled = 0;
    pthread_t t = start(interrupted, NULL);
    while (!handled) {
        CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
        nap_ms(flags ? 1 : 20);
    }
    if (flags)
        for (int i = 0; i < 2; i++)
            CHECK_EQ(send(s[1], "ab", 2, 0), 2);
    intptr_t r = (intptr_t)finish(t);
    printf("interrupted: %ld\n", (long)r);
    close(s[0]);
    close(s[1]);
}

int main(void)
{
    static struct batch b;
    set_up(&b, 64);
    datagrams(SOCK_DGRAM);
    datagrams(SOCK_SEQPACKET);
    puts("datagrams");
    streams();
    puts("streams");
    sending(SOCK_DGRAM);
    sending(SOCK_SEQPACKET);
    sending(SOCK_STREAM);
    signals(SA_RESTART);
    CHECK_ERRNO(recvmmsg(-1, b.m, 1, 0, NULL), EBADF);
    CHECK_ERRNO(sendmmsg(-1, b.m, 1, 0), EBADF);
    CHECK_ERRNO(recvmmsg(1, b.m, 1, 0, NULL), ENOTSOCK);
    CHECK_ERRNO(sendmmsg(1, b.m, 1, 0), ENOTSOCK);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, s), 0);
    CHECK_EQ(send(s[1], "ab", 2, 0), 2);
    CHECK_ERRNO(recvmmsg(s[0], (struct mmsghdr *)8, 1, 0, NULL), EFAULT);
    return 0;
}
