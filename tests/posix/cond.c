// Condition variables.
#include "suite.h"

static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static int waiting, go, woken, order[64];

static void reset(void)
{
    waiting = go = woken = 0;
    CHECK_EQ(pthread_cond_destroy(&c), 0);
    CHECK_EQ(pthread_cond_init(&c, NULL), 0);
}

static void *wait_go(void *arg)
{
    CHECK_EQ(pthread_mutex_lock(&m), 0);
    waiting++;
    while (!go)
        CHECK_EQ(pthread_cond_wait(&c, &m), 0);
    order[woken++] = (int)(long)arg;
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
    return NULL;
}
// With m held and n threads in the wait.
static void lock_with_waiting(int n)
{
    CHECK_EQ(pthread_mutex_lock(&m), 0);
    while (waiting < n) {
        CHECK_EQ(pthread_mutex_unlock(&m), 0);
        settle();
        CHECK_EQ(pthread_mutex_lock(&m), 0);
    }
}

// pthread_cond_broadcast: "shall unblock all threads currently blocked on the specified condition variable cond".
CASE(broadcast_unblocks_all)
{
    pthread_t t[40];
    reset();
    for (long i = 0; i < 40; i++)
        t[i] = start(wait_go, (void *)i);
    lock_with_waiting(40);
    go = 1;
    CHECK_EQ(pthread_cond_broadcast(&c), 0);
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
    for (int i = 0; i < 40; i++)
        finish(t[i]);
    CHECK_EQ(woken, 40);
}

// pthread_cond_signal: "shall unblock at least one of the threads that are blocked".
CASE(signal_unblocks_one)
{
    reset();
    pthread_t t = start(wait_go, NULL);
    lock_with_waiting(1);
    go = 1;
    CHECK_EQ(pthread_cond_signal(&c), 0);
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
    finish(t);
}

// The same, the mutex not held by who signals: "may be called by a thread whether or not it currently owns the mutex".
CASE(signal_without_the_mutex)
{
    reset();
    pthread_t t = start(wait_go, NULL);
    lock_with_waiting(1);
    go = 1;
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
    CHECK_EQ(pthread_cond_signal(&c), 0);
    finish(t);
}

// pthread_cond_signal: n signals unblock n waiters.
CASE(signals_unblock_each)
{
    pthread_t t[20];
    reset();
    for (long i = 0; i < 20; i++)
        t[i] = start(wait_go, (void *)i);
    lock_with_waiting(20);
    go = 1;
    for (int i = 0; i < 20; i++)
        CHECK_EQ(pthread_cond_signal(&c), 0);
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
    for (int i = 0; i < 20; i++)
        finish(t[i]);
    CHECK_EQ(woken, 20);
}

// pthread_cond_broadcast, pthread_cond_signal: "shall have no effect if there are no threads currently blocked on cond".
CASE(no_effect_without_waiters)
{
    struct timespec at;
    reset();
    CHECK_EQ(pthread_cond_signal(&c), 0);
    CHECK_EQ(pthread_cond_broadcast(&c), 0);
    CHECK_EQ(pthread_mutex_lock(&m), 0);
    at = in_ms(CLOCK_REALTIME, 3);
    int r;
    do
        r = pthread_cond_timedwait(&c, &m, &at);
    while (r == 0 && !reached(CLOCK_REALTIME, at)); // spurious wakeups are allowed
    CHECK_EQ(r, ETIMEDOUT);
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
}

// pthread_cond_wait: "Upon successful return, the mutex shall have been locked and shall be owned by the calling thread."
static void *wait_owner(void *arg)
{
    pthread_mutex_t *e = arg;
    CHECK_EQ(pthread_mutex_lock(e), 0);
    waiting = 1;
    while (!go)
        CHECK_EQ(pthread_cond_wait(&c, e), 0);
    CHECK_EQ(pthread_mutex_lock(e), EDEADLK); // owned
    CHECK_EQ(pthread_mutex_unlock(e), 0);
    return NULL;
}
CASE(wait_returns_as_owner)
{
    pthread_mutex_t e = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
    reset();
    pthread_t t = start(wait_owner, &e);
    CHECK_EQ(pthread_mutex_lock(&e), 0);
    while (!waiting) {
        CHECK_EQ(pthread_mutex_unlock(&e), 0);
        settle();
        CHECK_EQ(pthread_mutex_lock(&e), 0);
    }
    go = 1;
    CHECK_EQ(pthread_cond_signal(&c), 0);
    CHECK_EQ(pthread_mutex_unlock(&e), 0);
    finish(t);
}

// pthread_cond_timedwait: on a timeout "... shall nonetheless release and re-acquire the mutex".
CASE(timedwait_owns_after_timeout)
{
    pthread_mutex_t e = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
    reset();
    CHECK_EQ(pthread_mutex_lock(&e), 0);
    struct timespec at = in_ms(CLOCK_REALTIME, 2);
    int r;
    while ((r = pthread_cond_timedwait(&c, &e, &at)) == 0)
        ;
    CHECK_EQ(r, ETIMEDOUT);
    CHECK(reached(CLOCK_REALTIME, at));
    CHECK_EQ(pthread_mutex_lock(&e), EDEADLK);
    CHECK_EQ(pthread_mutex_unlock(&e), 0);
}

// pthread_cond_timedwait: "or if the absolute time specified by abstime has already been passed at the time of the call".
CASE(timedwait_past)
{
    struct timespec at = {1, 0};
    reset();
    CHECK_EQ(pthread_mutex_lock(&m), 0);
    CHECK_EQ(pthread_cond_timedwait(&c, &m, &at), ETIMEDOUT);
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
}

// pthread_cond_timedwait: [EINVAL] "The abstime argument specified a nanosecond value less than zero or greater than or equal to
// 1000 million."
CASE(timedwait_bad_time)
{
    struct timespec big = {1, 1000000000}, negative = {1, -1};
    reset();
    CHECK_EQ(pthread_mutex_lock(&m), 0);
    CHECK_EQ(pthread_cond_timedwait(&c, &m, &big), EINVAL);
    CHECK_EQ(pthread_cond_timedwait(&c, &m, &negative), EINVAL);
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
}

// pthread_condattr_setclock: "the clock ID of the clock that shall be used to measure the timeout service of pthread_cond_timedwait".
CASE(attr_clock_monotonic)
{
    pthread_condattr_t a;
    pthread_cond_t cm;
    clockid_t id = -1;
    CHECK_EQ(pthread_condattr_init(&a), 0);
    CHECK_EQ(pthread_condattr_getclock(&a, &id), 0);
    CHECK_EQ(id, CLOCK_REALTIME); // "The default value of the clock attribute shall refer to the system clock."
    CHECK_EQ(pthread_condattr_setclock(&a, CLOCK_MONOTONIC), 0);
    CHECK_EQ(pthread_condattr_getclock(&a, &id), 0);
    CHECK_EQ(id, CLOCK_MONOTONIC);
    CHECK_EQ(pthread_cond_init(&cm, &a), 0);
    CHECK_EQ(pthread_mutex_lock(&m), 0);
    struct timespec at = in_ms(CLOCK_MONOTONIC, 2);
    while (pthread_cond_timedwait(&cm, &m, &at) == 0)
        ;
    CHECK(reached(CLOCK_MONOTONIC, at));
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
    CHECK_EQ(pthread_cond_destroy(&cm), 0);
}

// pthread_condattr_setclock: [EINVAL] "The value specified by clock_id does not refer to a known clock, or is a CPU-time clock."
CASE(attr_clock_cpu_is_einval)
{
    pthread_condattr_t a;
    CHECK_EQ(pthread_condattr_init(&a), 0);
    CHECK_EQ(pthread_condattr_setclock(&a, CLOCK_PROCESS_CPUTIME_ID), EINVAL);
    CHECK_EQ(pthread_condattr_setclock(&a, 4711), EINVAL);
}

// pthread_condattr_getpshared: "The default value ... is PTHREAD_PROCESS_PRIVATE."
CASE(attr_pshared)
{
    pthread_condattr_t a;
    int v;
    CHECK_EQ(pthread_condattr_init(&a), 0);
    CHECK_EQ(pthread_condattr_getpshared(&a, &v), 0);
    CHECK_EQ(v, PTHREAD_PROCESS_PRIVATE);
    CHECK_EQ(pthread_condattr_setpshared(&a, PTHREAD_PROCESS_SHARED), 0);
    CHECK_EQ(pthread_condattr_getpshared(&a, &v), 0);
    CHECK_EQ(v, PTHREAD_PROCESS_SHARED);
    CHECK_EQ(pthread_condattr_setpshared(&a, 4711), EINVAL);
}

// pthread_cond_clockwait: the clock is the one that is given.
CASE(clockwait_both_clocks)
{
    static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME};
    reset();
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pthread_mutex_lock(&m), 0);
        struct timespec at = in_ms(clocks[i], 2);
        while (pthread_cond_clockwait(&c, &m, clocks[i], &at) == 0)
            ;
        CHECK(reached(clocks[i], at));
        CHECK_EQ(pthread_mutex_unlock(&m), 0);
    }
}

// pthread_cond_destroy: "It shall be safe to destroy an initialized condition variable upon which no threads are currently
// blocked", and the example: a broadcast, then destroy, while the woken have not yet returned.
struct element {
    pthread_cond_t notbusy;
    int busy, in;
};
static void *wait_notbusy(void *arg)
{
    struct element *e = arg;
    CHECK_EQ(pthread_mutex_lock(&m), 0);
    e->in++;
    while (e->busy)
        CHECK_EQ(pthread_cond_wait(&e->notbusy, &m), 0);
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
    return NULL;
}
CASE(destroy_right_after_broadcast)
{
    for (int round = 0; round < 10; round++) {
        struct element e = {.busy = 1};
        pthread_t t[5];
        CHECK_EQ(pthread_cond_init(&e.notbusy, NULL), 0);
        for (int i = 0; i < 5; i++)
            t[i] = start(wait_notbusy, &e);
        CHECK_EQ(pthread_mutex_lock(&m), 0);
        while (e.in < 5) {
            CHECK_EQ(pthread_mutex_unlock(&m), 0);
            settle();
            CHECK_EQ(pthread_mutex_lock(&m), 0);
        }
        e.busy = 0;
        CHECK_EQ(pthread_cond_broadcast(&e.notbusy), 0);
        CHECK_EQ(pthread_mutex_unlock(&m), 0);
        CHECK_EQ(pthread_cond_destroy(&e.notbusy), 0);
        memset(&e.notbusy, 0x5a, sizeof e.notbusy);
        for (int i = 0; i < 5; i++)
            finish(t[i]);
    }
}

// pthread_cond_signal: who waits after the signal does not take it from those who waited before.
static int stolen;
static void *late_waiter(void *arg)
{
    (void)arg;
    CHECK_EQ(pthread_mutex_lock(&m), 0);
    struct timespec at = in_ms(CLOCK_REALTIME, 5);
    stolen = pthread_cond_timedwait(&c, &m, &at) == 0 && !woken;
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
    return NULL;
}
CASE(signal_goes_to_who_waited_before)
{
    reset();
    stolen = 0;
    pthread_t t = start(wait_go, NULL);
    lock_with_waiting(1);
    go = 1;
    CHECK_EQ(pthread_cond_signal(&c), 0);
    pthread_t late = start(late_waiter, NULL); // enters its wait after the mutex is released
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
    finish(t); // hangs if the late one took it
    finish(late);
    CHECK_EQ(woken, 1);
}

// pthread_cond_wait: "If a signal is delivered to a thread waiting for a condition variable, upon return from the signal handler
// the thread resumes waiting ... as if it was not interrupted, or it shall return zero due to spurious wakeup"; never EINTR.
static atomic_int handled;
static void count_signal(int sig) { (void)sig; atomic_fetch_add(&handled, 1); }
LONE(signal_handler_during_wait)
{
    struct sigaction a = {.sa_handler = count_signal};
    CHECK_EQ(sigaction(SIGUSR1, &a, NULL), 0);
    reset();
    pthread_t t = start(wait_go, NULL);
    for (int i = 1; i <= 5; i++) {
        CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
        while (atomic_load(&handled) < i)
            settle();
    }
    lock_with_waiting(1);
    go = 1;
    CHECK_EQ(pthread_cond_signal(&c), 0);
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
    finish(t);
}

// pthread_cond_wait with a recursive mutex that is locked once.
CASE(wait_with_recursive_mutex)
{
    pthread_mutex_t r = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
    reset();
    CHECK_EQ(pthread_mutex_lock(&r), 0);
    struct timespec at = in_ms(CLOCK_REALTIME, 2);
    while (pthread_cond_timedwait(&c, &r, &at) == 0)
        ;
    CHECK_EQ(pthread_mutex_unlock(&r), 0);
    CHECK_EQ(pthread_mutex_unlock(&r), EPERM);
}

// A bounded buffer: nothing is lost with signal alone.
static int buffer, full, produced, consumed;
static pthread_cond_t not_full = PTHREAD_COND_INITIALIZER, not_empty = PTHREAD_COND_INITIALIZER;
static void *produce(void *arg)
{
    (void)arg;
    for (int i = 0; i < 300; i++) {
        pthread_mutex_lock(&m);
        while (full)
            pthread_cond_wait(&not_full, &m);
        buffer = ++produced;
        full = 1;
        pthread_cond_signal(&not_empty);
        pthread_mutex_unlock(&m);
    }
    return NULL;
}
static void *consume(void *arg)
{
    (void)arg;
    for (int i = 0; i < 300; i++) {
        pthread_mutex_lock(&m);
        while (!full)
            pthread_cond_wait(&not_empty, &m);
        CHECK_EQ(buffer, ++consumed);
        full = 0;
        pthread_cond_signal(&not_full);
        pthread_mutex_unlock(&m);
    }
    return NULL;
}
CASE(bounded_buffer)
{
    pthread_t t[6];
    for (int i = 0; i < 6; i++)
        t[i] = start(i % 2 ? produce : consume, NULL);
    for (int i = 0; i < 6; i++)
        finish(t[i]);
    CHECK_EQ(consumed, 900);
}

// pthread_condattr_setpshared: PTHREAD_PROCESS_SHARED between processes; signal and broadcast.
struct both {
    pthread_mutex_t m;
    pthread_cond_t c;
    int in, go, out;
};
static void *shared_wait(void *arg)
{
    struct both *b = arg;
    pthread_mutex_lock(&b->m);
    b->in++;
    while (!b->go)
        pthread_cond_wait(&b->c, &b->m);
    b->out++;
    pthread_mutex_unlock(&b->m);
    return NULL;
}
LONE(pshared_broadcast_to_other_process)
{
    struct both *b = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t ma;
    pthread_condattr_t ca;
    int status;
    pthread_mutexattr_init(&ma);
    pthread_mutexattr_setpshared(&ma, PTHREAD_PROCESS_SHARED);
    pthread_condattr_init(&ca);
    pthread_condattr_setpshared(&ca, PTHREAD_PROCESS_SHARED);
    CHECK_EQ(pthread_mutex_init(&b->m, &ma), 0);
    CHECK_EQ(pthread_cond_init(&b->c, &ca), 0);
    pid_t pid = fork();
    if (pid == 0) {
        pthread_t t[3];
        for (int i = 0; i < 3; i++)
            t[i] = start(shared_wait, b);
        for (int i = 0; i < 3; i++)
            finish(t[i]);
        _exit(0);
    }
    pthread_t mine = start(shared_wait, b);
    pthread_mutex_lock(&b->m);
    while (b->in < 4) {
        pthread_mutex_unlock(&b->m);
        settle();
        pthread_mutex_lock(&b->m);
    }
    b->go = 1;
    pthread_cond_broadcast(&b->c);
    pthread_mutex_unlock(&b->m);
    finish(mine);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK_EQ(b->out, 4);
}
