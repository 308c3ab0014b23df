// Event loops of the program's own, more than a few, each waiting in epoll_wait again and again: woken by descriptors, by timeouts,
// by signals, by cancellation, with locks taken in between.
#include "check.h"
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#define LOOPS 20
#define ROUNDS 200

static int in[LOOPS], out[LOOPS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long total;

static int watch(int fd)
{
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};
    int ep = epoll_create1(EPOLL_CLOEXEC);
    CHECK(ep >= 0);
    CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev), 0);
    return ep;
}

static void *loop(void *arg)
{
    long me = (long)arg;
    int ep = watch(in[me]);
    for (int i = 0; i < ROUNDS; i++) {
        struct epoll_event ev;
        uint64_t n = 0;
        while (epoll_wait(ep, &ev, 1, i % 3 ? -1 : 60000) != 1)
            CHECK(!"woken without an event");
        CHECK_EQ(ev.data.fd, in[me]);
        CHECK_EQ(read(in[me], &n, sizeof n), sizeof n);
        CHECK_EQ(n, 1);
        if (me % 4 == 0) { // parks in between
            CHECK_EQ(pthread_mutex_lock(&lock), 0);
            total++;
            sched_yield();
            CHECK_EQ(pthread_mutex_unlock(&lock), 0);
        }
        CHECK_EQ(write(out[me], &n, sizeof n), sizeof n);
    }
    // A timeout is never early.
    struct epoll_event ev;
    long long before = now_ns(CLOCK_MONOTONIC);
    CHECK_EQ(epoll_wait(ep, &ev, 1, 3), 0);
    CHECK(now_ns(CLOCK_MONOTONIC) - before >= 3000000);
    CHECK_EQ(epoll_wait(ep, &ev, 1, 0), 0);
    CHECK_ERRNO(epoll_wait(ep, &ev, 0, -1), EINVAL);
    CHECK_ERRNO(epoll_wait(in[me], &ev, 1, -1), EINVAL);
    close(ep);
    CHECK_ERRNO(epoll_wait(ep, &ev, 1, -1), EBADF);
    return NULL;
}

static atomic_int ready;
static void on_signal(int sig) { (void)sig; }

static void *interrupted(void *arg)
{
    int fd = eventfd(0, 0), ep = watch(fd);
    struct epoll_event ev;
    for (int i = 0; i < 150; i++) {
        CHECK_ERRNO(epoll_wait(ep, &ev, 1, 60000), EINTR);
        atomic_fetch_add(&ready, 1);
    }
    close(ep);
    close(fd);
    return arg;
}

static void *cancelled(void *arg)
{
    int fd = eventfd(1, 0), ep = watch(fd);
    struct epoll_event ev;
    uint64_t n;
    for (int i = 0; i < 100; i++) // an event loop by now
        CHECK_EQ(epoll_wait(ep, &ev, 1, -1), 1);
    CHECK_EQ(read(fd, &n, sizeof n), sizeof n);
    atomic_store(&ready, 1);
    epoll_wait(ep, &ev, 1, -1);
    CHECK(!"reached");
    return arg;
}

int main(void)
{
    pthread_t t[LOOPS];
    for (long i = 0; i < LOOPS; i++) {
        CHECK((in[i] = eventfd(0, 0)) >= 0 && (out[i] = eventfd(0, 0)) >= 0);
        t[i] = start(loop, (void *)i);
    }
    for (int r = 0; r < ROUNDS; r++)
        for (int i = 0; i < LOOPS; i++) {
            uint64_t one = 1;
            CHECK_EQ(write(in[i], &one, sizeof one), sizeof one);
            if (r % 2)
                CHECK_EQ(read(out[i], &one, sizeof one), sizeof one);
            else if (i == LOOPS - 1)
                for (int k = 0; k < LOOPS; k++)
                    CHECK_EQ(read(out[k], &one, sizeof one), sizeof one);
        }
    for (int i = 0; i < LOOPS; i++)
        finish(t[i]);
    printf("%d loops, %ld\n", LOOPS, total);

    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    CHECK_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
    t[0] = start(interrupted, NULL);
    while (atomic_load(&ready) < 150) { // one that comes before the wait ends none
        CHECK_EQ(pthread_kill(t[0], SIGUSR1), 0);
        sched_yield();
    }
    finish(t[0]);
    puts("interrupted");

    for (int i = 0; i < 12; i++) { // credit is given back by each
        atomic_store(&ready, 0);
        t[0] = start(cancelled, NULL);
        while (!atomic_load(&ready))
            sched_yield();
        CHECK_EQ(pthread_cancel(t[0]), 0);
        CHECK(finish(t[0]) == PTHREAD_CANCELED);
    }
    puts("cancelled");
    return 0;
}
