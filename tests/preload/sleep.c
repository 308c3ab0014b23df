// Sleeps are never early; what they return; what they refuse.
#include "check.h"

static void *sleep_all_ways(void *arg)
{
    long ms = 5 + (long)arg % 20;
    struct timespec ts = from_ns(ms * 1000000), at, left = {77, 77};
    static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME};

    long long before = now_ns(CLOCK_MONOTONIC);
    CHECK_EQ(nanosleep(&ts, &left), 0);
    CHECK(now_ns(CLOCK_MONOTONIC) - before >= ms * 1000000);
    CHECK(left.tv_sec == 77 && left.tv_nsec == 77);

    before = now_ns(CLOCK_MONOTONIC);
    CHECK_EQ(usleep((useconds_t)ms * 1000), 0);
    CHECK(now_ns(CLOCK_MONOTONIC) - before >= ms * 1000000);

    for (int i = 0; i < 2; i++) {
        before = now_ns(CLOCK_MONOTONIC);
        CHECK_EQ(clock_nanosleep(clocks[i], 0, &ts, NULL), 0);
        CHECK(now_ns(CLOCK_MONOTONIC) - before >= ms * 1000000);
        at = in_ms(clocks[i], ms);
        CHECK_EQ(clock_nanosleep(clocks[i], TIMER_ABSTIME, &at, NULL), 0);
        CHECK(reached(clocks[i], at));
        at = in_ms(clocks[i], -1000);
        CHECK_EQ(clock_nanosleep(clocks[i], TIMER_ABSTIME, &at, NULL), 0);
    }
    // Short ones, where rounding would show.
    for (long ns = 1; ns < 3000000; ns = ns * 3 + 1) {
        ts = from_ns(ns);
        before = now_ns(CLOCK_MONOTONIC);
        CHECK_EQ(nanosleep(&ts, NULL), 0);
        CHECK(now_ns(CLOCK_MONOTONIC) - before >= ns);
    }
    return NULL;
}

static void *one_second(void *arg)
{
    long long before = now_ns(CLOCK_MONOTONIC);
    CHECK_EQ(sleep(1), 0);
    CHECK(now_ns(CLOCK_MONOTONIC) - before >= 1000000000);
    return arg;
}

static void *refused(void *arg)
{
    struct timespec bad = {0, 1000000000}, negative = {-1, 0}, zero = {0, 0};
    CHECK_ERRNO(nanosleep(&bad, NULL), EINVAL);
    CHECK_ERRNO(nanosleep(&negative, NULL), EINVAL);
    errno = 0;
    CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, &bad, NULL), EINVAL);
    CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &bad, NULL), EINVAL);
    CHECK_EQ(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &zero, NULL), EINVAL);
    CHECK_EQ(clock_nanosleep(9999, 0, &zero, NULL), EINVAL);
    CHECK_EQ(errno, 0); // these return the error instead
    CHECK_ERRNO(nanosleep((struct timespec *)opaque(8), NULL), EFAULT);
    CHECK_EQ(nanosleep(&zero, NULL), 0);
    CHECK_EQ(usleep(0), 0);
    CHECK_EQ(sleep(0), 0);
    return arg;
}

int main(void)
{
    pthread_t t[102];
    sleep_all_ways(NULL);
    refused(NULL);
    t[0] = start(one_second, NULL);
    t[1] = start(refused, NULL);
    for (long i = 2; i < 102; i++)
        t[i] = start(sleep_all_ways, (void *)i);
    one_second(NULL);
    for (int i = 0; i < 102; i++)
        finish(t[i]);
    puts("slept");
    return 0;
}
