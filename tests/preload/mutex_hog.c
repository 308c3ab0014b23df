// A thread that takes and releases a lock without pause, or makes other short calls, keeps nobody from the lock or from running.
#include "check.h"
#include <semaphore.h>
#include <stdatomic.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static sem_t s;
static atomic_int running, stop;

static void *lock_often(void *arg)
{
    atomic_store(&running, 1);
    while (!atomic_load(&stop)) {
        CHECK_EQ(pthread_mutex_lock(&m), 0);
        CHECK_EQ(pthread_mutex_unlock(&m), 0);
    }
    return arg;
}
static void *post_often(void *arg)
{
    atomic_store(&running, 1);
    while (!atomic_load(&stop)) {
        CHECK_EQ(sem_post(&s), 0);
        CHECK_EQ(sem_wait(&s), 0);
    }
    return arg;
}
static void *write_often(void *arg)
{
    int p[2];
    char c = 'x';
    CHECK_EQ(pipe(p), 0);
    atomic_store(&running, 1);
    while (!atomic_load(&stop)) {
        CHECK_EQ(write(p[1], &c, 1), 1);
        CHECK_EQ(read(p[0], &c, 1), 1);
    }
    close(p[0]);
    close(p[1]);
    return arg;
}

// Waits with the lock held, and takes it again at once.
static void *hold_often(void *arg)
{
    while (!atomic_load(&stop)) {
        CHECK_EQ(pthread_mutex_lock(&m), 0);
        atomic_store(&running, 1);
        sched_yield();
        CHECK_EQ(pthread_mutex_unlock(&m), 0);
    }
    return arg;
}

static void *take_and_stop(void *arg)
{
    CHECK_EQ(pthread_mutex_lock(&m), 0);
    atomic_store(&stop, 1);
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
    return arg;
}

// Two of them against one that only tries for a while.
static void two_holders(void)
{
    pthread_t a, b, t;
    struct timespec late;
    running = stop = 0;
    a = start(hold_often, NULL);
    b = start(hold_often, NULL);
    while (!atomic_load(&running))
        sched_yield();
    for (int i = 0; i < 100; i++) {
        late = in_ms(CLOCK_REALTIME, 20000);
        CHECK_EQ(pthread_mutex_timedlock(&m, &late), 0);
        CHECK_EQ(pthread_mutex_unlock(&m), 0);
        late = in_ms(CLOCK_REALTIME, -1);
        int r = pthread_mutex_timedlock(&m, &late);
        CHECK(r == 0 || r == ETIMEDOUT);
        if (r == 0)
            CHECK_EQ(pthread_mutex_unlock(&m), 0);
    }
    t = start(take_and_stop, NULL);
    finish(t);
    finish(a);
    finish(b);
    puts("holders");
}

static void against(void *(*busy)(void *), const char *what)
{
    for (int i = 0; i < 3; i++) {
        running = stop = 0;
        pthread_t b = start(busy, NULL);
        while (!atomic_load(&running))
            sched_yield();
        pthread_t t = start(take_and_stop, NULL);
        finish(t);
        finish(b);
    }
    puts(what);
}

int main(void)
{
    CHECK_EQ(sem_init(&s, 0, 0), 0);
    against(lock_often, "locks");
    against(post_often, "posts");
    against(write_often, "writes");
    two_holders();
    return 0;
}
