// Mutexes: waits with a time limit.
#include "mutex.h"

// pthread_mutex_timedlock: [ETIMEDOUT] "The mutex could not be locked before the specified timeout expired."
static struct timespec past = {1, 0}, bad_big = {1, 1000000000}, bad_negative = {1, -1};
CASE(timedlock_times_out)
{
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    CHECK_EQ(pthread_mutex_lock(&m), 0);
    CHECK_EQ(elsewhere(timed, &m), ETIMEDOUT);
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
}

// pthread_mutex_timedlock: "Under no circumstance shall the function fail with a timeout if the mutex can be locked immediately.
// The validity of the abs_timeout parameter need not be checked if the mutex can be locked immediately."
CASE(timedlock_free_never_times_out)
{
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    CHECK_EQ(pthread_mutex_timedlock(&m, &past), 0);
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
    CHECK_EQ(pthread_mutex_timedlock(&m, &bad_big), 0);
}

// pthread_mutex_timedlock: the timeout shall expire "if the absolute time specified by abs_timeout has already been passed".
static void *timed_past(void *m) { return (void *)(long)pthread_mutex_timedlock(m, &past); }
CASE(timedlock_past_times_out_at_once)
{
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    CHECK_EQ(pthread_mutex_lock(&m), 0);
    CHECK_EQ(elsewhere(timed_past, &m), ETIMEDOUT);
}

// pthread_mutex_timedlock: [EINVAL] "the abs_timeout parameter specified a nanoseconds field value less than zero or greater
// than or equal to 1000 million", the process would have blocked.
static void *timed_big(void *m) { return (void *)(long)pthread_mutex_timedlock(m, &bad_big); }
static void *timed_negative(void *m) { return (void *)(long)pthread_mutex_timedlock(m, &bad_negative); }
CASE(timedlock_bad_time_is_einval)
{
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    CHECK_EQ(pthread_mutex_lock(&m), 0);
    CHECK_EQ(elsewhere(timed_big, &m), EINVAL);
    CHECK_EQ(elsewhere(timed_negative, &m), EINVAL);
}

// pthread_mutex_timedlock: [EDEADLK] errorcheck, owned by the caller; recursive: counts.
CASE(timedlock_by_owner)
{
    pthread_mutex_t e = made(PTHREAD_MUTEX_ERRORCHECK), r = made(PTHREAD_MUTEX_RECURSIVE), n = made(PTHREAD_MUTEX_NORMAL);
    struct timespec at;
    CHECK_EQ(pthread_mutex_lock(&e), 0);
    CHECK_EQ(pthread_mutex_timedlock(&e, &past), EDEADLK);
    CHECK_EQ(pthread_mutex_lock(&r), 0);
    CHECK_EQ(pthread_mutex_timedlock(&r, &past), 0);
    CHECK_EQ(pthread_mutex_lock(&n), 0);
    at = in_ms(CLOCK_REALTIME, 2);
    CHECK_EQ(pthread_mutex_timedlock(&n, &at), ETIMEDOUT);
}

// pthread_mutex_clocklock: "the time as measured by the clock specified by clock_id".
CASE(clocklock_monotonic_and_realtime)
{
    static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME};
    for (int i = 0; i < 2; i++) {
        pthread_mutex_t m = made(PTHREAD_MUTEX_NORMAL);
        struct timespec at = in_ms(clocks[i], 2);
        CHECK_EQ(pthread_mutex_clocklock(&m, clocks[i], &at), 0);
        CHECK_EQ(pthread_mutex_clocklock(&m, clocks[i], &at), ETIMEDOUT);
        CHECK(reached(clocks[i], at));
    }
}

// pthread_mutex_clocklock: [EINVAL] a clock that is not supported.
CASE(clocklock_other_clock_is_einval)
{
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    CHECK_EQ(pthread_mutex_clocklock(&m, CLOCK_PROCESS_CPUTIME_ID, &past), EINVAL);
}

// pthread_mutex_timedlock: the mutex comes free before the timeout.
static void *timed_long(void *m)
{
    struct timespec at = in_ms(CLOCK_REALTIME, 60000);
    long r = pthread_mutex_timedlock(m, &at);
    return (void *)(r ? r : (long)pthread_mutex_unlock(m));
}
CASE(timedlock_obtains_it)
{
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    CHECK_EQ(pthread_mutex_lock(&m), 0);
    pthread_t t = start(timed_long, &m);
    settle();
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
    CHECK_EQ((long)finish(t), 0);
}
