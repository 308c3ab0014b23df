// Counters under contended mutexes of each type, with yields inside and outside of the lock.
#include "check.h"
#include <stdint.h>

enum { THREADS = 32, ROUNDS = 2000 };

static pthread_mutex_t locks[4] = {
    PTHREAD_MUTEX_INITIALIZER, PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP,
    PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP, PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP,
};
static volatile long counts[4];

static void lock(pthread_mutex_t *m, int how)
{
    struct timespec at;
    switch (how) {
    case 0:
        while (pthread_mutex_trylock(m) != 0)
            sched_yield();
        break;
    case 1:
        // Some of these are in the past by the time they count.
        do
            at = in_ms(CLOCK_MONOTONIC, 1);
        while (pthread_mutex_clocklock(m, CLOCK_MONOTONIC, &at) == ETIMEDOUT);
        break;
    default:
        CHECK_EQ(pthread_mutex_lock(m), 0);
    }
}

static void *work(void *arg)
{
    unsigned long seed = (unsigned long)(uintptr_t)arg + 1;
    for (int i = 0; i < ROUNDS; i++) {
        seed = seed * 6364136223846793005UL + 1442695040888963407UL;
        unsigned bits = (unsigned)(seed >> 33);
        int which = bits & 3;
        lock(&locks[which], bits >> 2 & 7);
        if (which == 1)
            lock(&locks[which], bits >> 5 & 7);
        long seen = counts[which];
        if ((bits >> 8 & 63) == 0)
            sched_yield();
        counts[which] = seen + 1;
        if (which == 1)
            CHECK_EQ(pthread_mutex_unlock(&locks[which]), 0);
        CHECK_EQ(pthread_mutex_unlock(&locks[which]), 0);
        if ((bits >> 14 & 63) == 0)
            sched_yield();
    }
    return NULL;
}

int main(void)
{
    pthread_t t[THREADS];
    for (intptr_t i = 0; i < THREADS; i++)
        t[i] = start(work, (void *)i);
    for (int i = 0; i < THREADS; i++)
        finish(t[i]);
    for (int i = 0; i < 4; i++) {
        printf("%d: %ld\n", i, counts[i]);
        CHECK_EQ(pthread_mutex_destroy(&locks[i]), 0);
    }
    CHECK_EQ(counts[0] + counts[1] + counts[2] + counts[3], THREADS * ROUNDS);
    return 0;
}
