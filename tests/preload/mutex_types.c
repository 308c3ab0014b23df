// The four types of mutex, their errors, try, timed and clock locks, static initialisers.
#include "check.h"
#include <semaphore.h>

static pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_mutex_t checking = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static pthread_mutex_t adaptive = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;

static const char *const names[] = {"normal", "recursive", "errorcheck", "adaptive"};
static sem_t held, release;

static void *hold(void *arg)
{
    pthread_mutex_t *m = arg;
    CHECK_EQ(pthread_mutex_lock(m), 0);
    sem_post(&held);
    sem_wait(&release);
    CHECK_EQ(pthread_mutex_unlock(m), 0);
    return NULL;
}

static void *try_only(void *arg)
{
    return (void *)(long)pthread_mutex_trylock(arg);
}

static void *unlock_foreign(void *arg)
{
    return (void *)(long)pthread_mutex_unlock(arg);
}

static void exercise(pthread_mutex_t *m, const char *name)
{
    struct timespec at;
    CHECK_EQ(pthread_mutex_lock(m), 0);
    CHECK_EQ(finish(start(try_only, m)), EBUSY);
    CHECK_EQ(pthread_mutex_unlock(m), 0);

    pthread_t t = start(hold, m);
    sem_wait(&held);
    CHECK_EQ(pthread_mutex_trylock(m), EBUSY);
    at = in_ms(CLOCK_REALTIME, 20);
    CHECK_EQ(pthread_mutex_timedlock(m, &at), ETIMEDOUT);
    CHECK(reached(CLOCK_REALTIME, at));
    at = in_ms(CLOCK_MONOTONIC, 20);
    CHECK_EQ(pthread_mutex_clocklock(m, CLOCK_MONOTONIC, &at), ETIMEDOUT);
    CHECK(reached(CLOCK_MONOTONIC, at));
    at = in_ms(CLOCK_REALTIME, 20);
    CHECK_EQ(pthread_mutex_clocklock(m, CLOCK_REALTIME, &at), ETIMEDOUT);
    CHECK(reached(CLOCK_REALTIME, at));
    at = in_ms(CLOCK_REALTIME, -5000);
    CHECK_EQ(pthread_mutex_timedlock(m, &at), ETIMEDOUT);
    at.tv_nsec = -1;
    CHECK_EQ(pthread_mutex_timedlock(m, &at), EINVAL);
    CHECK_EQ(pthread_mutex_clocklock(m, CLOCK_PROCESS_CPUTIME_ID, &at), EINVAL);
    sem_post(&release);
    at = in_ms(CLOCK_REALTIME, 60000);
    CHECK_EQ(pthread_mutex_timedlock(m, &at), 0);
    CHECK_EQ(pthread_mutex_unlock(m), 0);
    finish(t);

    at = in_ms(CLOCK_REALTIME, -5000); // a free mutex does not care for the time
    CHECK_EQ(pthread_mutex_timedlock(m, &at), 0);
    CHECK_EQ(pthread_mutex_unlock(m), 0);
    printf("%s\n", name);
}

static void check_recursive(pthread_mutex_t *m)
{
    struct timespec at = in_ms(CLOCK_REALTIME, 1000);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(i % 3 == 0   ? pthread_mutex_lock(m)
                 : i % 3 == 1 ? pthread_mutex_trylock(m)
                              : pthread_mutex_timedlock(m, &at), 0);
    for (int i = 0; i < 99; i++)
        CHECK_EQ(pthread_mutex_unlock(m), 0);
    CHECK_EQ(finish(start(try_only, m)), EBUSY);
    CHECK_EQ(finish(start(unlock_foreign, m)), EPERM);
    CHECK_EQ(pthread_mutex_unlock(m), 0);
    CHECK_EQ(pthread_mutex_unlock(m), EPERM);
}

static void check_errors(pthread_mutex_t *m)
{
    struct timespec at = in_ms(CLOCK_REALTIME, 1000);
    CHECK_EQ(pthread_mutex_unlock(m), EPERM);
    CHECK_EQ(pthread_mutex_lock(m), 0);
    CHECK_EQ(pthread_mutex_lock(m), EDEADLK);
    CHECK_EQ(pthread_mutex_timedlock(m, &at), EDEADLK);
    CHECK_EQ(pthread_mutex_trylock(m), EBUSY);
    CHECK_EQ(finish(start(unlock_foreign, m)), EPERM);
    CHECK_EQ(pthread_mutex_unlock(m), 0);
    CHECK_EQ(pthread_mutex_unlock(m), EPERM);
}

int main(void)
{
    sem_init(&held, 0, 0);
    sem_init(&release, 0, 0);

    // Before any thread exists, and locked across the creation of the first one.
    check_errors(&checking);
    CHECK_EQ(pthread_mutex_lock(&checking), 0);
    CHECK_EQ(pthread_mutex_lock(&recursive), 0);
    CHECK_EQ(finish(start(try_only, &checking)), EBUSY);
    CHECK_EQ(pthread_mutex_lock(&checking), EDEADLK);
    CHECK_EQ(pthread_mutex_unlock(&checking), 0);
    CHECK_EQ(pthread_mutex_lock(&recursive), 0);
    CHECK_EQ(pthread_mutex_unlock(&recursive), 0);
    CHECK_EQ(pthread_mutex_unlock(&recursive), 0);
    CHECK_EQ(pthread_mutex_unlock(&recursive), EPERM);

    exercise(&plain, "static normal");
    exercise(&recursive, "static recursive");
    exercise(&checking, "static errorcheck");
    exercise(&adaptive, "static adaptive");

    static const int types[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK,
                                PTHREAD_MUTEX_ADAPTIVE_NP};
    for (int i = 0; i < 4; i++) {
        pthread_mutexattr_t attr;
        pthread_mutex_t m;
        int type = -1;
        CHECK_EQ(pthread_mutexattr_init(&attr), 0);
        CHECK_EQ(pthread_mutexattr_settype(&attr, types[i]), 0);
        CHECK_EQ(pthread_mutexattr_gettype(&attr, &type), 0);
        CHECK_EQ(type, types[i]);
        CHECK_EQ(pthread_mutex_init(&m, &attr), 0);
        CHECK_EQ(pthread_mutexattr_destroy(&attr), 0);
        exercise(&m, names[i]);
        if (types[i] == PTHREAD_MUTEX_RECURSIVE)
            check_recursive(&m);
        if (types[i] == PTHREAD_MUTEX_ERRORCHECK)
            check_errors(&m);
        CHECK_EQ(pthread_mutex_lock(&m), 0);
        CHECK_EQ(pthread_mutex_destroy(&m), EBUSY);
        CHECK_EQ(pthread_mutex_unlock(&m), 0);
        CHECK_EQ(pthread_mutex_destroy(&m), 0);
    }
    pthread_mutexattr_t attr;
    CHECK_EQ(pthread_mutexattr_init(&attr), 0);
    CHECK_EQ(pthread_mutexattr_settype(&attr, 99), EINVAL);

    // A normal mutex held by oneself times out like any other.
    struct timespec at = in_ms(CLOCK_REALTIME, 20);
    CHECK_EQ(pthread_mutex_lock(&plain), 0);
    CHECK_EQ(pthread_mutex_timedlock(&plain, &at), ETIMEDOUT);
    CHECK(reached(CLOCK_REALTIME, at));
    CHECK_EQ(pthread_mutex_unlock(&plain), 0);

    // Robust, inheriting and shared ones work too, whoever serves them.
    CHECK_EQ(pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_NORMAL), 0);
    CHECK_EQ(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST), 0);
    CHECK_EQ(pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED), 0);
    pthread_mutex_t robust;
    CHECK_EQ(pthread_mutex_init(&robust, &attr), 0);
    exercise(&robust, "robust, shared");
    CHECK_EQ(finish(start(try_only, &robust)), 0); // its owner ends without unlocking
    CHECK_EQ(pthread_mutex_lock(&robust), EOWNERDEAD);
    CHECK_EQ(pthread_mutex_consistent(&robust), 0);
    CHECK_EQ(pthread_mutex_unlock(&robust), 0);
    exercise(&robust, "robust, made consistent");
    CHECK_EQ(pthread_mutexattr_init(&attr), 0);
    CHECK_EQ(pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT), 0);
    pthread_mutex_t inheriting;
    CHECK_EQ(pthread_mutex_init(&inheriting, &attr), 0);
    exercise(&inheriting, "inheriting");
    return 0;
}
