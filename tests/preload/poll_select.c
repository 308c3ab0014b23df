// poll, ppoll, select, pselect and epoll: timeouts of zero, some and no end; the events; waking by another thread.
#include "check.h"
#include <arpa/inet.h>
#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>

enum { WAYS = 7 };

static int wait_epoll(int way, int fd, int ms)
{
    struct epoll_event e = {.events = EPOLLIN};
    struct timespec ts = from_ns(ms * 1000000LL);
    int ep = epoll_create1(EPOLL_CLOEXEC);
    CHECK(ep >= 0);
    CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e), 0);
    int r = way == 4 ? epoll_wait(ep, &e, 1, ms)
          : way == 5 ? epoll_pwait(ep, &e, 1, ms, NULL)
                     : epoll_pwait2(ep, &e, 1, ms < 0 ? NULL : &ts, NULL);
    CHECK_EQ(close(ep), 0);
    return r;
}

// Waits for fd to be readable, ms < 0 for ever; returns the call's result.
static int wait_by(int way, int fd, int ms)
{
    struct pollfd p = {fd, POLLIN, 0};
    struct timespec ts = from_ns(ms * 1000000LL);
    struct timeval tv = {ms / 1000, ms % 1000 * 1000};
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    switch (way) {
    case 0: return poll(&p, (nfds_t)opaque(1), ms);
    case 1: return ppoll(&p, (nfds_t)opaque(1), ms < 0 ? NULL : &ts, NULL);
    case 2: {
        int r = select(fd + 1, &set, NULL, NULL, ms < 0 ? NULL : &tv);
        CHECK_EQ(!!FD_ISSET(fd, &set), r);
        if (ms >= 0 && r == 0)
            CHECK(tv.tv_sec == 0 && tv.tv_usec == 0); // Linux leaves what remained
        return r;
    }
    case 3: return pselect(fd + 1, &set, NULL, NULL, ms < 0 ? NULL : &ts, NULL);
    default: return wait_epoll(way, fd, ms);
    }
}

static void *wait_readable(void *arg)
{
    int *p = arg;
    for (int way = 0; way < WAYS; way++) {
        char c;
        CHECK_EQ(wait_by(way, p[0], way % 2 ? 60000 : -1), 1);
        CHECK_EQ(read(p[0], &c, 1), 1);
        CHECK_EQ(write(p[3], &c, 1), 1);
    }
    return NULL;
}

static void woken(void)
{
    enum { N = 50 };
    static int fds[N][4];
    pthread_t t[N];
    char c;
    for (int i = 0; i < N; i++) {
        CHECK_EQ(pipe(fds[i]), 0);
        CHECK_EQ(pipe(fds[i] + 2), 0);
        t[i] = start(wait_readable, fds[i]);
    }
    for (int way = 0; way < WAYS; way++) {
        for (int i = 0; i < N; i++)
            CHECK_EQ(write(fds[i][1], "x", 1), 1);
        for (int i = 0; i < N; i++)
            CHECK_EQ(read(fds[i][2], &c, 1), 1);
    }
    for (int i = 0; i < N; i++) {
        finish(t[i]);
        for (int k = 0; k < 4; k++)
            close(fds[i][k]);
    }
    puts("woken");
}

static void *timeouts(void *arg)
{
    int p[2];
    CHECK_EQ(pipe(p), 0);
    for (int way = 0; way < WAYS; way++) {
        CHECK_EQ(wait_by(way, p[0], 0), 0);
        long long before = now_ns(CLOCK_MONOTONIC);
        CHECK_EQ(wait_by(way, p[0], 20), 0);
        CHECK(now_ns(CLOCK_MONOTONIC) - before >= 20000000);
        CHECK_EQ(write(p[1], "x", 1), 1);
        CHECK_EQ(wait_by(way, p[0], 0), 1);
        CHECK_EQ(wait_by(way, p[0], 20), 1);
        CHECK_EQ(wait_by(way, p[0], -1), 1);
        char c;
        CHECK_EQ(read(p[0], &c, 1), 1);
    }
    // Nothing to wait for: a sleep.
    struct timeval tv = {0, 10000};
    long long before = now_ns(CLOCK_MONOTONIC);
    CHECK_EQ(poll(NULL, 0, 10), 0);
    CHECK_EQ(select(0, NULL, NULL, NULL, &tv), 0);
    CHECK(now_ns(CLOCK_MONOTONIC) - before >= 20000000);
    close(p[0]);
    close(p[1]);
    return arg;
}

static short events(int fd, short want)
{
    struct pollfd p = {fd, want, 0x7f};
    CHECK(poll(&p, 1, want ? 60000 : 0) >= 0);
    return p.revents;
}

static void tcp_pair(int fd[2])
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int l = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(bind(l, (struct sockaddr *)&at, len), 0);
    CHECK_EQ(listen(l, 5), 0);
    CHECK_EQ(getsockname(l, (struct sockaddr *)&at, &len), 0);
    fd[0] = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(connect(fd[0], (struct sockaddr *)&at, len), 0);
    CHECK_EQ(events(l, POLLIN), POLLIN);
    CHECK((fd[1] = accept(l, NULL, NULL)) >= 0);
    close(l);
}

static void *all_events(void *arg)
{
    int p[2], s[2];
    CHECK_EQ(pipe(p), 0);
    CHECK_EQ(events(p[1], POLLOUT), POLLOUT);
    CHECK_EQ(events(p[1], POLLOUT | POLLIN), POLLOUT);
    CHECK_EQ(write(p[1], "x", 1), 1);
    CHECK_EQ(events(p[0], POLLIN | POLLRDNORM), POLLIN | POLLRDNORM);
    close(p[1]);
    CHECK_EQ(events(p[0], POLLIN), POLLIN | POLLHUP);
    CHECK_EQ(events(p[0], 0), POLLHUP);
    close(p[0]);
    CHECK_EQ(pipe(p), 0);
    close(p[0]);
    CHECK_EQ(events(p[1], POLLOUT), POLLOUT | POLLERR);
    close(p[1]);
    CHECK_EQ(events(-1, 0), 0);

    tcp_pair(s);
    CHECK_EQ(events(s[0], POLLIN | POLLOUT | POLLRDHUP), POLLOUT);
    CHECK_EQ(send(s[1], "!", 1, MSG_OOB), 1);
    CHECK_EQ(events(s[0], POLLPRI), POLLPRI);
    char c;
    CHECK_EQ(recv(s[0], &c, 1, MSG_OOB), 1);
    CHECK_EQ(shutdown(s[1], SHUT_WR), 0);
    CHECK_EQ(events(s[0], POLLRDHUP), POLLRDHUP);
    CHECK_EQ(events(s[0], POLLIN | POLLRDHUP), POLLIN | POLLRDHUP);
    CHECK_EQ(shutdown(s[0], SHUT_WR), 0);
    CHECK(events(s[0], POLLHUP) & POLLHUP);
    close(s[0]);
    close(s[1]);
    return arg;
}

static void *wait_for_one(void *arg)
{
    int *fd = arg;
    struct pollfd p[4] = {{-1, POLLIN, 9}, {fd[0], POLLIN, 9}, {fd[2], POLLIN, 9}, {fd[0], POLLPRI, 9}};
    CHECK_EQ(poll(p, 4, -1), 1);
    CHECK(p[0].revents == 0 && p[1].revents == 0 && p[2].revents == POLLIN && p[3].revents == 0);
    return NULL;
}

// Events of one epoll set go to exactly one of many waiting threads each.
static int ep;
static int taken;

static void *take_events(void *arg)
{
    for (;;) {
        struct epoll_event e;
        char c;
        CHECK_EQ(epoll_wait(ep, &e, 1, -1), 1);
        if (e.data.u64 >> 32)
            return arg; // the end: readable for all
        CHECK_EQ(read((int)e.data.u64, &c, 1), 1);
        __atomic_add_fetch(&taken, 1, __ATOMIC_SEQ_CST);
        struct epoll_event again = {EPOLLIN | EPOLLONESHOT, {.u64 = e.data.u64}};
        CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_MOD, (int)e.data.u64, &again), 0);
    }
}

static void shared_epoll(void)
{
    enum { FDS = 20, THREADS = 10, ROUNDS = 50 };
    int p[FDS][2], end[2];
    pthread_t t[THREADS];
    CHECK((ep = epoll_create1(0)) >= 0);
    for (int i = 0; i < FDS; i++) {
        CHECK_EQ(pipe(p[i]), 0);
        struct epoll_event e = {EPOLLIN | EPOLLONESHOT, {.u64 = (uint64_t)p[i][0]}};
        CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, p[i][0], &e), 0);
    }
    for (int i = 0; i < THREADS; i++)
        t[i] = start(take_events, NULL);
    for (int i = 0; i < FDS * ROUNDS; i++)
        CHECK_EQ(write(p[i % FDS][1], "x", 1), 1);
    while (__atomic_load_n(&taken, __ATOMIC_SEQ_CST) < FDS * ROUNDS)
        sched_yield();
    CHECK_EQ(pipe(end), 0);
    struct epoll_event e = {EPOLLIN, {.u64 = 1ull << 32}};
    CHECK_EQ(write(end[1], "x", 1), 1);
    CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, end[0], &e), 0);
    for (int i = 0; i < THREADS; i++)
        finish(t[i]);
    printf("shared epoll: %d\n", taken);
}

int main(void)
{
    timeouts(NULL);
    finish(start(timeouts, NULL));
    puts("timeouts");
    woken();
    all_events(NULL);
    finish(start(all_events, NULL));
    puts("events");

    int fd[4], bad;
    CHECK_EQ(pipe(fd), 0);
    CHECK_EQ(pipe(fd + 2), 0);
    pthread_t t = start(wait_for_one, fd);
    CHECK_EQ(write(fd[3], "x", 1), 1);
    finish(t);
    bad = fd[3] + 100;
    CHECK_EQ(events(bad, POLLIN), POLLNVAL);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(bad, &set);
    CHECK_ERRNO(select(bad + 1, &set, NULL, NULL, NULL), EBADF);
    CHECK_ERRNO(select(-1, NULL, NULL, NULL, NULL), EINVAL);
    struct timespec ts = {0, 1000000000};
    CHECK_ERRNO(ppoll(NULL, 0, &ts, NULL), EINVAL);
    CHECK_ERRNO(pselect(0, NULL, NULL, NULL, &ts, NULL), EINVAL);
    struct epoll_event e;
    CHECK_ERRNO(epoll_wait(fd[0], &e, 1, 0), EINVAL);
    CHECK_ERRNO(epoll_wait(bad, &e, 1, 0), EBADF);
    puts("errors");
    shared_epoll();
    return 0;
}
