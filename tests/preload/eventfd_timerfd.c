// eventfd and timerfd: blocking reads and writes, semaphore mode, expirations never early.
#include "check.h"
#include <poll.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

static int ev;

static void *take_one(void *arg)
{
    uint64_t n = 0;
    CHECK_EQ(read(ev, &n, sizeof n), sizeof n);
    CHECK_EQ(n, 1);
    return arg;
}

static void *add_all(void *arg)
{
    for (uint64_t i = 1; i <= 100; i++)
        CHECK_EQ(write(ev, &i, sizeof i), sizeof i);
    return arg;
}

static void *overflow(void *arg)
{
    uint64_t most = UINT64_MAX - 1;
    CHECK_EQ(write(ev, &most, sizeof most), sizeof most); // waits until the counter is read
    return arg;
}

static void *tick(void *arg)
{
    clockid_t clock = (clockid_t)(intptr_t)arg;
    struct itimerspec its = {{0, 2000000}, {0, 5000000}};
    uint64_t n, total = 0;
    int fd = timerfd_create(clock, TFD_CLOEXEC);
    CHECK(fd >= 0);
    long long before = now_ns(CLOCK_MONOTONIC);
    CHECK_EQ(timerfd_settime(fd, 0, &its, NULL), 0);
    while (total < 10) {
        CHECK_EQ(read(fd, &n, sizeof n), sizeof n);
        CHECK(n >= 1);
        total += n;
        CHECK(now_ns(CLOCK_MONOTONIC) - before >= 5000000 + ((long long)total - 1) * 2000000);
    }
    struct pollfd p = {fd, POLLIN, 0};
    CHECK_EQ(poll(&p, 1, -1), 1);
    its = (struct itimerspec){{0, 0}, in_ms(clock, 15)};
    CHECK_EQ(timerfd_settime(fd, TFD_TIMER_ABSTIME, &its, NULL), 0);
    CHECK_EQ(read(fd, &n, sizeof n), sizeof n);
    CHECK(n == 1 && reached(clock, its.it_value));
    close(fd);
    return NULL;
}

int main(void)
{
    pthread_t t[40];
    uint64_t n, total = 0;
    CHECK((ev = eventfd(0, EFD_SEMAPHORE)) >= 0);
    for (int i = 0; i < 40; i++)
        t[i] = start(take_one, NULL);
    for (int i = 0; i < 4; i++) {
        n = 10;
        CHECK_EQ(write(ev, &n, sizeof n), sizeof n);
    }
    for (int i = 0; i < 40; i++)
        finish(t[i]);
    close(ev);
    puts("semaphore");

    CHECK((ev = eventfd(0, 0)) >= 0);
    t[0] = start(add_all, NULL);
    while (total < 5050) {
        CHECK_EQ(read(ev, &n, sizeof n), sizeof n);
        total += n;
    }
    finish(t[0]);
    printf("sum %d\n", (int)total);
    CHECK_EQ(eventfd_write(ev, 1), 0);
    t[0] = start(overflow, NULL);
    CHECK_EQ(read(ev, &n, sizeof n), sizeof n);
    CHECK_EQ(n == 1 || n == UINT64_MAX - 1, 1);
    finish(t[0]);
    CHECK_ERRNO(read(ev, &n, 4), EINVAL);
    close(ev);
    CHECK((ev = eventfd(0, EFD_NONBLOCK)) >= 0);
    CHECK_ERRNO(read(ev, &n, sizeof n), EAGAIN);
    close(ev);
    puts("overflow");

    for (int i = 0; i < 40; i++)
        t[i] = start(tick, (void *)(intptr_t)(i % 2 ? CLOCK_REALTIME : CLOCK_MONOTONIC));
    for (int i = 0; i < 40; i++)
        finish(t[i]);
    puts("timers");
    return 0;
}
