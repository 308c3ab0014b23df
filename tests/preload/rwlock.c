// Read-write locks: counts, try, timed and clock locks, errors, preferences, many readers and writers.
#include "check.h"
#include <semaphore.h>

static pthread_rwlock_t l = PTHREAD_RWLOCK_INITIALIZER;
static sem_t held, release;
static volatile long a, b;

static void *hold_write(void *arg)
{
    CHECK_EQ(pthread_rwlock_wrlock(arg), 0);
    sem_post(&held);
    sem_wait(&release);
    CHECK_EQ(pthread_rwlock_unlock(arg), 0);
    return NULL;
}

static void *hold_read(void *arg)
{
    CHECK_EQ(pthread_rwlock_rdlock(arg), 0);
    sem_post(&held);
    sem_wait(&release);
    CHECK_EQ(pthread_rwlock_unlock(arg), 0);
    return NULL;
}

static void basics(pthread_rwlock_t *lock)
{
    struct timespec at;
    pthread_t t[3];
    // Three readers hold it, and we are the fourth, twice.
    for (int i = 0; i < 3; i++) {
        t[i] = start(hold_read, lock);
        sem_wait(&held);
    }
    CHECK_EQ(pthread_rwlock_rdlock(lock), 0);
    CHECK_EQ(pthread_rwlock_tryrdlock(lock), 0);
    CHECK_EQ(pthread_rwlock_trywrlock(lock), EBUSY);
    CHECK_EQ(pthread_rwlock_unlock(lock), 0);
    CHECK_EQ(pthread_rwlock_unlock(lock), 0);
    at = in_ms(CLOCK_REALTIME, 20);
    CHECK_EQ(pthread_rwlock_timedrdlock(lock, &at), 0);
    CHECK_EQ(pthread_rwlock_unlock(lock), 0);
    at = in_ms(CLOCK_REALTIME, 20);
    CHECK_EQ(pthread_rwlock_timedwrlock(lock, &at), ETIMEDOUT);
    CHECK(reached(CLOCK_REALTIME, at));
    at = in_ms(CLOCK_MONOTONIC, 20);
    CHECK_EQ(pthread_rwlock_clockwrlock(lock, CLOCK_MONOTONIC, &at), ETIMEDOUT);
    CHECK(reached(CLOCK_MONOTONIC, at));
    CHECK_EQ(pthread_rwlock_tryrdlock(lock), 0); // a writer that gave up does not keep readers out
    CHECK_EQ(pthread_rwlock_unlock(lock), 0);
    for (int i = 0; i < 3; i++)
        sem_post(&release);
    CHECK_EQ(pthread_rwlock_wrlock(lock), 0);
    CHECK_EQ(pthread_rwlock_rdlock(lock), EDEADLK);
    CHECK_EQ(pthread_rwlock_wrlock(lock), EDEADLK);
    CHECK_EQ(pthread_rwlock_tryrdlock(lock), EBUSY);
    CHECK_EQ(pthread_rwlock_trywrlock(lock), EBUSY);
    CHECK_EQ(pthread_rwlock_unlock(lock), 0);
    for (int i = 0; i < 3; i++)
        finish(t[i]);

    t[0] = start(hold_write, lock);
    sem_wait(&held);
    CHECK_EQ(pthread_rwlock_tryrdlock(lock), EBUSY);
    CHECK_EQ(pthread_rwlock_trywrlock(lock), EBUSY);
    at = in_ms(CLOCK_REALTIME, 20);
    CHECK_EQ(pthread_rwlock_timedrdlock(lock, &at), ETIMEDOUT);
    CHECK(reached(CLOCK_REALTIME, at));
    at = in_ms(CLOCK_MONOTONIC, 20);
    CHECK_EQ(pthread_rwlock_clockrdlock(lock, CLOCK_MONOTONIC, &at), ETIMEDOUT);
    CHECK(reached(CLOCK_MONOTONIC, at));
    at.tv_nsec = 1000000000;
    CHECK_EQ(pthread_rwlock_timedrdlock(lock, &at), EINVAL);
    CHECK_EQ(pthread_rwlock_clockwrlock(lock, CLOCK_PROCESS_CPUTIME_ID, &at), EINVAL);
    sem_post(&release);
    at = in_ms(CLOCK_MONOTONIC, 60000);
    CHECK_EQ(pthread_rwlock_clockwrlock(lock, CLOCK_MONOTONIC, &at), 0);
    CHECK_EQ(pthread_rwlock_unlock(lock), 0);
    finish(t[0]);
}

static void *read_both(void *arg)
{
    for (int i = 0; i < 500; i++) {
        CHECK_EQ(pthread_rwlock_rdlock(arg), 0);
        long seen = a;
        if (i % 8 == 0)
            sched_yield();
        CHECK_EQ(b, seen);
        CHECK_EQ(pthread_rwlock_unlock(arg), 0);
    }
    return NULL;
}

static void *write_both(void *arg)
{
    for (int i = 0; i < 500; i++) {
        CHECK_EQ(pthread_rwlock_wrlock(arg), 0);
        a++;
        if (i % 4 == 0)
            sched_yield();
        b++;
        CHECK_EQ(pthread_rwlock_unlock(arg), 0);
        sched_yield();
    }
    return NULL;
}

static void crowd(pthread_rwlock_t *lock)
{
    pthread_t t[20];
    a = b = 0;
    for (int i = 0; i < 20; i++)
        t[i] = start(i % 4 ? read_both : write_both, lock);
    for (int i = 0; i < 20; i++)
        finish(t[i]);
    CHECK_EQ(a, 5 * 500);
}

int main(void)
{
    static const int kinds[] = {PTHREAD_RWLOCK_PREFER_READER_NP, PTHREAD_RWLOCK_PREFER_WRITER_NP,
                                PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP};
    sem_init(&held, 0, 0);
    sem_init(&release, 0, 0);
    basics(&l);
    crowd(&l);
    puts("static");
    for (int i = 0; i < 3; i++) {
        pthread_rwlockattr_t attr;
        pthread_rwlock_t lock;
        int kind = -1;
        CHECK_EQ(pthread_rwlockattr_init(&attr), 0);
        CHECK_EQ(pthread_rwlockattr_setkind_np(&attr, kinds[i]), 0);
        CHECK_EQ(pthread_rwlockattr_getkind_np(&attr, &kind), 0);
        CHECK_EQ(kind, kinds[i]);
        CHECK_EQ(pthread_rwlock_init(&lock, &attr), 0);
        CHECK_EQ(pthread_rwlockattr_destroy(&attr), 0);
        basics(&lock);
        crowd(&lock);
        CHECK_EQ(pthread_rwlock_destroy(&lock), 0);
        printf("kind %d\n", kind);
    }
    return 0;
}
