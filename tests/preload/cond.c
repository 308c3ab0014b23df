// Condition variables: signal, broadcast, timed waits by both clocks, destruction right after a broadcast.
#include "check.h"
#include <stdlib.h>

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER, back = PTHREAD_COND_INITIALIZER;
static int waiting, tokens, gone;

static void *take(void *arg)
{
    CHECK_EQ(pthread_mutex_lock(&m), 0);
    waiting++;
    pthread_cond_signal(&back);
    while (tokens == 0)
        CHECK_EQ(pthread_cond_wait(&c, &m), 0);
    tokens--;
    gone++;
    pthread_cond_signal(&back);
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
    return arg;
}

static void signal_and_broadcast(void)
{
    enum { N = 100 };
    pthread_t t[N];
    for (int i = 0; i < N; i++)
        t[i] = start(take, NULL);
    pthread_mutex_lock(&m);
    while (waiting < N)
        pthread_cond_wait(&back, &m);
    for (int i = 1; i <= 50; i++) {
        tokens++;
        CHECK_EQ(pthread_cond_signal(&c), 0);
        while (gone < i)
            pthread_cond_wait(&back, &m);
        CHECK_EQ(tokens, 0);
    }
    tokens += N - 50;
    CHECK_EQ(pthread_cond_broadcast(&c), 0);
    pthread_mutex_unlock(&m);
    for (int i = 0; i < N; i++)
        finish(t[i]);
    printf("all gone: %d of %d, %d left\n", gone, N, tokens);
}

static void timeouts(void)
{
    struct timespec at;
    pthread_mutex_lock(&m);
    at = in_ms(CLOCK_REALTIME, 30);
    CHECK_EQ(pthread_cond_timedwait(&c, &m, &at), ETIMEDOUT);
    CHECK(reached(CLOCK_REALTIME, at));

    pthread_condattr_t attr;
    pthread_cond_t mono;
    clockid_t clock;
    CHECK_EQ(pthread_condattr_init(&attr), 0);
    CHECK_EQ(pthread_condattr_getclock(&attr, &clock), 0);
    CHECK_EQ(clock, CLOCK_REALTIME);
    CHECK_EQ(pthread_condattr_setclock(&attr, CLOCK_PROCESS_CPUTIME_ID), EINVAL);
    CHECK_EQ(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC), 0);
    CHECK_EQ(pthread_cond_init(&mono, &attr), 0);
    CHECK_EQ(pthread_condattr_destroy(&attr), 0);
    at = in_ms(CLOCK_MONOTONIC, 30);
    CHECK_EQ(pthread_cond_timedwait(&mono, &m, &at), ETIMEDOUT);
    CHECK(reached(CLOCK_MONOTONIC, at));

    // clockwait goes by its argument, not by the attribute.
    at = in_ms(CLOCK_REALTIME, 30);
    CHECK_EQ(pthread_cond_clockwait(&mono, &m, CLOCK_REALTIME, &at), ETIMEDOUT);
    CHECK(reached(CLOCK_REALTIME, at));
    at = in_ms(CLOCK_MONOTONIC, 30);
    CHECK_EQ(pthread_cond_clockwait(&c, &m, CLOCK_MONOTONIC, &at), ETIMEDOUT);
    CHECK(reached(CLOCK_MONOTONIC, at));
    CHECK_EQ(pthread_cond_clockwait(&c, &m, CLOCK_PROCESS_CPUTIME_ID, &at), EINVAL);
    at = in_ms(CLOCK_MONOTONIC, -1);
    CHECK_EQ(pthread_cond_timedwait(&mono, &m, &at), ETIMEDOUT);
    at.tv_nsec = 1000000000;
    CHECK_EQ(pthread_cond_timedwait(&c, &m, &at), EINVAL);
    CHECK_EQ(pthread_cond_destroy(&mono), 0);
    pthread_mutex_unlock(&m);
    CHECK_EQ(pthread_mutex_trylock(&m), 0); // the waits gave it back each time
    pthread_mutex_unlock(&m);
    puts("timeouts");
}

// The waiter wakes by a signal long before a far timeout.
static void *signal_soon(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&m);
    tokens = 1;
    pthread_mutex_unlock(&m);
    pthread_cond_signal(&c);
    return NULL;
}

static void woken_before_timeout(void)
{
    for (int i = 0; i < 300; i++) {
        struct timespec at = in_ms(CLOCK_MONOTONIC, 3600000);
        pthread_mutex_lock(&m);
        tokens = 0;
        pthread_t t = start(signal_soon, NULL);
        while (tokens == 0)
            CHECK_EQ(pthread_cond_clockwait(&c, &m, CLOCK_MONOTONIC, &at), 0);
        pthread_mutex_unlock(&m);
        finish(t);
    }
    puts("woken before the timeout");
}

// POSIX lets the caller destroy a condition as soon as all its waiters are woken.
struct box {
    pthread_cond_t cond;
    int open;
};

static void *box_waiter(void *arg)
{
    struct box *box = arg;
    pthread_mutex_lock(&m);
    waiting++;
    pthread_cond_signal(&back);
    while (!box->open)
        pthread_cond_wait(&box->cond, &m);
    pthread_mutex_unlock(&m);
    return NULL;
}

static void destroyed_after_broadcast(void)
{
    enum { N = 10 };
    for (int round = 0; round < 50; round++) {
        pthread_t t[N];
        struct box *box = malloc(sizeof *box);
        pthread_mutex_lock(&m);
        waiting = box->open = 0;
        CHECK_EQ(pthread_cond_init(&box->cond, NULL), 0);
        for (int i = 0; i < N; i++)
            t[i] = start(box_waiter, box);
        while (waiting < N)
            pthread_cond_wait(&back, &m);
        box->open = 1;
        CHECK_EQ(pthread_cond_broadcast(&box->cond), 0);
        CHECK_EQ(pthread_mutex_unlock(&m), 0);
        CHECK_EQ(pthread_cond_destroy(&box->cond), 0);
        for (int i = 0; i < N; i++)
            finish(t[i]);
        free(box);
    }
    puts("destroyed after broadcast");
}

// A recursive mutex held once, and an errorcheck mutex, as partners of a wait.
static void other_mutexes(void)
{
    pthread_mutex_t r = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP, e = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
    struct timespec at = in_ms(CLOCK_REALTIME, 5);
    CHECK_EQ(pthread_mutex_lock(&r), 0);
    CHECK_EQ(pthread_cond_timedwait(&c, &r, &at), ETIMEDOUT);
    CHECK_EQ(pthread_mutex_unlock(&r), 0);
    CHECK_EQ(pthread_mutex_unlock(&r), EPERM);
    CHECK_EQ(pthread_cond_timedwait(&c, &e, &at), EPERM);
    CHECK_EQ(pthread_mutex_lock(&e), 0);
    CHECK_EQ(pthread_cond_timedwait(&c, &e, &at), ETIMEDOUT);
    CHECK_EQ(pthread_mutex_lock(&e), EDEADLK);
    CHECK_EQ(pthread_mutex_unlock(&e), 0);
    puts("other mutexes");
}

int main(void)
{
    timeouts(); // also before any thread exists
    signal_and_broadcast();
    timeouts();
    woken_before_timeout();
    destroyed_after_broadcast();
    other_mutexes();
    return 0;
}
