// What the programs about mutexes share.
#ifndef MUTEX_H
#define MUTEX_H
#include "suite.h"

MAYBE pthread_mutex_t made(int type)
{
    pthread_mutexattr_t a;
    pthread_mutex_t m;
    CHECK_EQ(pthread_mutexattr_init(&a), 0);
    CHECK_EQ(pthread_mutexattr_settype(&a, type), 0);
    CHECK_EQ(pthread_mutex_init(&m, &a), 0);
    CHECK_EQ(pthread_mutexattr_destroy(&a), 0);
    return m;
}

MAYBE void *lock_it(void *m) { return (void *)(long)pthread_mutex_lock(m); }
MAYBE void *trylock_it(void *m) { return (void *)(long)pthread_mutex_trylock(m); }
MAYBE void *unlock_it(void *m) { return (void *)(long)pthread_mutex_unlock(m); }
MAYBE void *lock_unlock(void *m)
{
    long r = pthread_mutex_lock(m);
    return (void *)(r ? r : (long)pthread_mutex_unlock(m));
}
// In a thread of its own.
MAYBE long elsewhere(void *(*fn)(void *), void *arg) { return (long)finish(start(fn, arg)); }

MAYBE long long plain_count;
MAYBE void *count_up(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        pthread_mutex_lock(arg);
        plain_count++;
        if (i % 64 == 0)
            sched_yield();
        pthread_mutex_unlock(arg);
    }
    return NULL;
}

MAYBE void *timed(void *m)
{
    struct timespec soon = in_ms(CLOCK_REALTIME, 3);
    long r = pthread_mutex_timedlock(m, &soon);
    CHECK(r != ETIMEDOUT || reached(CLOCK_REALTIME, soon));
    return (void *)r;
}
#endif
