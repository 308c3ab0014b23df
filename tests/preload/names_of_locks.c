// Locks under libc's internal names, which old libraries import, and scheduling calls of threads.
#include "show.h"

OLD_NAME(int, old_lock, __pthread_mutex_lock, (pthread_mutex_t *));
OLD_NAME(int, old_trylock, __pthread_mutex_trylock, (pthread_mutex_t *));
OLD_NAME(int, old_unlock, __pthread_mutex_unlock, (pthread_mutex_t *));
OLD_NAME(int, old_once, __pthread_once, (pthread_once_t *, void (*)(void)));
OLD_NAME(int, old_rdlock, __pthread_rwlock_rdlock, (pthread_rwlock_t *));
OLD_NAME(int, old_tryrdlock, __pthread_rwlock_tryrdlock, (pthread_rwlock_t *));
OLD_NAME(int, old_wrlock, __pthread_rwlock_wrlock, (pthread_rwlock_t *));
OLD_NAME(int, old_trywrlock, __pthread_rwlock_trywrlock, (pthread_rwlock_t *));
OLD_NAME(int, old_rwunlock, __pthread_rwlock_unlock, (pthread_rwlock_t *));
OLD_NAME(int, old_yield, pthread_yield, (void));
extern int __pthread_key_create(pthread_key_t *, void (*)(void *));

enum { THREADS = 6, ROUNDS = 200 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static int counted, written, ended, made;

static void make(void)
{
    made++;
}

static void destroyed(void *value)
{
    __atomic_fetch_add(&ended, (int)(long)value, __ATOMIC_RELAXED);
}

static void *contend(void *arg)
{
    CHECK_EQ(pthread_setspecific(key, (void *)1), 0);
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_EQ(old_once(&once, make), 0);
        CHECK_EQ(old_lock(&mutex), 0);
        int seen = counted;
        if (i % 50 == 0)
            CHECK_EQ(old_yield(), 0);
        counted = seen + 1;
        CHECK_EQ(old_unlock(&mutex), 0);
        CHECK_EQ(old_wrlock(&rwlock), 0);
        seen = written;
        if (i % 50 == 25)
            sched_yield();
        written = seen + 1;
        CHECK_EQ(old_rwunlock(&rwlock), 0);
        CHECK_EQ(old_rdlock(&rwlock), 0);
        CHECK(written >= i);
        CHECK_EQ(old_rwunlock(&rwlock), 0);
    }
    return arg;
}

static void *try(void *arg)
{
    SHOW(old_trylock(&mutex));
    SHOW(old_trywrlock(&rwlock));
    SHOW(old_tryrdlock(&rwlock));
    return arg;
}

static void *schedule(void *arg)
{
    cpu_set_t set;
    struct sched_param p = {0};
    int policy;
    SHOW(pthread_getaffinity_np(pthread_self(), sizeof set, &set));
    SHOW(CPU_COUNT(&set) > 0);
    SHOW(pthread_setaffinity_np(pthread_self(), sizeof set, &set));
    CPU_ZERO(&set);
    SHOW(pthread_setaffinity_np(pthread_self(), sizeof set, &set));
    SHOW(pthread_getaffinity_np(pthread_self(), 1, &set));
    SHOW(pthread_setschedprio(pthread_self(), 0));
    SHOW(pthread_setschedprio(pthread_self(), 1000));
    SHOW(pthread_getschedparam(pthread_self(), &policy, &p));
    SHOW(policy);
    SHOW(p.sched_priority);
    return arg;
}

int main(void)
{
    pthread_t t[THREADS];
    CHECK_EQ(__pthread_key_create(&key, destroyed), 0);
    for (int i = 0; i < THREADS; i++)
        t[i] = start(contend, NULL);
    for (int i = 0; i < THREADS; i++)
        finish(t[i]);
    printf("%d %d %d %d\n", counted, written, ended, made);
    SHOW(old_trylock(&mutex));
    SHOW(old_trywrlock(&rwlock));
    finish(start(try, NULL));
    SHOW(old_unlock(&mutex));
    SHOW(old_rwunlock(&rwlock));
    SHOW(old_tryrdlock(&rwlock));
    SHOW(old_tryrdlock(&rwlock));
    finish(start(schedule, NULL));
    return 0;
}
