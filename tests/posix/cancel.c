// Cancellation: state and type, pending requests, what is no cancellation point.
#include "cancel.h"

// pthread_setcancelstate: "the initial cancelability state and type of any newly created threads, including the thread in which
// main() was first invoked, shall be PTHREAD_CANCEL_ENABLE and PTHREAD_CANCEL_DEFERRED"; and the old ones are stored.
static void *defaults(void *arg)
{
    int old = -1;
    CHECK_EQ(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old), 0);
    CHECK_EQ(old, PTHREAD_CANCEL_ENABLE);
    CHECK_EQ(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old), 0);
    CHECK_EQ(old, PTHREAD_CANCEL_DISABLE);
    CHECK_EQ(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old), 0);
    CHECK_EQ(old, PTHREAD_CANCEL_DEFERRED);
    CHECK_EQ(pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &old), 0);
    CHECK_EQ(old, PTHREAD_CANCEL_ASYNCHRONOUS);
    return arg;
}
CASE(defaults_in_thread) { finish(start(defaults, NULL)); }
CASE(defaults_in_main) { defaults(NULL); }
// pthread_setcancelstate, setcanceltype: [EINVAL].
CASE(bad_state_and_type)
{
    CHECK_EQ(pthread_setcancelstate(4711, NULL), EINVAL);
    CHECK_EQ(pthread_setcanceltype(4711, NULL), EINVAL);
}
// pthread_join: a cancelled thread's value is PTHREAD_CANCELED.
CASE(testcancel_loop)
{
    reset();
    pthread_t t = start(test_loop, NULL);
    CHECK_EQ(pthread_cancel(t), 0);
    CHECK(finish(t) == PTHREAD_CANCELED);
}
// 2.9.5.1: "If cancelability is disabled, all cancellation requests to the target are held pending."
static void *disabled(void *arg)
{
    CHECK_EQ(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL), 0);
    atomic_store(&in, 1);
    until(&go); // sleeps: a cancellation point
    pthread_testcancel();
    strcat(trace, "d");
    CHECK_EQ(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL), 0);
    strcat(trace, "e"); // not a cancellation point itself
    pthread_testcancel();
    strcat(trace, "x");
    return arg;
}
CASE(disabled_holds_pending)
{
    reset();
    pthread_t t = start(disabled, NULL);
    until(&in);
    CHECK_EQ(pthread_cancel(t), 0);
    settle();
    atomic_store(&go, 1);
    CHECK(finish(t) == PTHREAD_CANCELED);
    CHECK(strcmp(trace, "de") == 0);
}
// Blocked with cancelability disabled: the call goes on.
static int p[2];
static void *read_disabled(void *arg)
{
    char c = 0;
    CHECK_EQ(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL), 0);
    atomic_store(&in, 1);
    CHECK_EQ(read(p[0], &c, 1), 1);
    CHECK_EQ(c, 'r');
    return arg;
}
CASE(disabled_read_goes_on)
{
    reset();
    CHECK_EQ(pipe(p), 0);
    pthread_t t = start(read_disabled, trace);
    until(&in);
    settle();
    CHECK_EQ(pthread_cancel(t), 0);
    settle();
    CHECK_EQ(write(p[1], "r", 1), 1);
    CHECK(finish(t) == trace);
}
// 2.9.5.1: asynchronous: "new or pending cancellation requests may be acted upon at any time".
static void *spin(void *arg)
{
    pthread_cleanup_push(clean, NULL);
    CHECK_EQ(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL), 0);
    atomic_store(&in, 1);
    for (;;)
        __asm__ volatile("" ::: "memory");
    pthread_cleanup_pop(0);
    return arg;
}
CASE(asynchronous_while_computing)
{
    reset();
    pthread_t t = start(spin, NULL);
    until(&in);
    CHECK_EQ(pthread_cancel(t), 0);
    CHECK(finish(t) == PTHREAD_CANCELED);
    CHECK_EQ(atomic_load(&cleaned), 1);
}
// Pending when the type becomes asynchronous, or when it is enabled.
static void *become_async(void *arg)
{
    CHECK_EQ(pthread_cancel(pthread_self()), 0);
    CHECK_EQ(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL), 0);
    for (;;)
        ;
    return arg;
}
static void *enable_async(void *arg)
{
    CHECK_EQ(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL), 0);
    CHECK_EQ(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL), 0);
    CHECK_EQ(pthread_cancel(pthread_self()), 0);
    CHECK_EQ(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL), 0);
    for (;;)
        ;
    return arg;
}
static void *async_self(void *arg)
{
    CHECK_EQ(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL), 0);
    pthread_cancel(pthread_self());
    for (;;)
        ;
    return arg;
}
CASE(asynchronous_pending_before) { CHECK(finish(start(become_async, NULL)) == PTHREAD_CANCELED); }
CASE(asynchronous_enabled) { CHECK(finish(start(enable_async, NULL)) == PTHREAD_CANCELED); }
CASE(asynchronous_self) { CHECK(finish(start(async_self, NULL)) == PTHREAD_CANCELED); }
static void *async_blocked(void *arg)
{
    CHECK_EQ(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL), 0);
    atomic_store(&in, 1);
    pthread_mutex_lock(arg); // no cancellation point, but the type says any time
    return NULL;
}
CASE(asynchronous_blocked_in_read)
{
    reset();
    CHECK_EQ(pipe(p), 0);
    pthread_t t = start(spin, NULL);
    CHECK_EQ(pthread_cancel(t), 0);
    CHECK(finish(t) == PTHREAD_CANCELED);
}
// glibc lets the same happen in a mutex wait.
CASE(asynchronous_blocked_in_mutex)
{
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    reset();
    CHECK_EQ(pthread_mutex_lock(&m), 0);
    pthread_t t = start(async_blocked, &m);
    until(&in);
    settle();
    CHECK_EQ(pthread_cancel(t), 0);
    CHECK(finish(t) == PTHREAD_CANCELED);
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
}
// pthread_mutex_lock, rwlock and barrier waits, and pthread_create are no cancellation points (2.9.5.2: "a cancellation point shall not
// occur" in those).
static pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t bar;
static pthread_spinlock_t sl;
static void *no_points(void *arg)
{
    pthread_cancel(pthread_self());
    pthread_mutex_lock(&plain);
    pthread_mutex_unlock(&plain);
    pthread_rwlock_rdlock(&rw);
    pthread_rwlock_unlock(&rw);
    pthread_rwlock_wrlock(&rw);
    pthread_rwlock_unlock(&rw);
    pthread_barrier_wait(&bar);
    pthread_spin_lock(&sl);
    pthread_spin_unlock(&sl);
    sched_yield();
    raise(0);
    getpid();
    return arg; // not cancelled
}
CASE(no_cancellation_points)
{
    CHECK_EQ(pthread_barrier_init(&bar, NULL, 1), 0);
    CHECK_EQ(pthread_spin_init(&sl, 0), 0);
    CHECK(finish(start(no_points, trace)) == trace);
}
static void *blocked_no_point(void *arg)
{
    int r = 0;
    atomic_store(&in, 1);
    switch ((long)arg) {
    case 0: r = pthread_mutex_lock(&plain); pthread_mutex_unlock(&plain); break;
    case 1: r = pthread_rwlock_rdlock(&rw); pthread_rwlock_unlock(&rw); break;
    case 2: r = pthread_rwlock_wrlock(&rw); pthread_rwlock_unlock(&rw); break;
    case 3: r = pthread_barrier_wait(&bar); break;
    }
    CHECK(r <= 0);
    return trace;
}
static void stays_blocked(long how)
{
    reset();
    CHECK_EQ(pthread_mutex_lock(&plain), 0);
    CHECK_EQ(pthread_rwlock_wrlock(&rw), 0);
    CHECK_EQ(pthread_barrier_init(&bar, NULL, 2), 0);
    pthread_t t = start(blocked_no_point, (void *)how);
    until(&in);
    settle();
    CHECK_EQ(pthread_cancel(t), 0);
    settle();
    CHECK_EQ(pthread_tryjoin_np(t, NULL), EBUSY);
    CHECK_EQ(pthread_mutex_unlock(&plain), 0);
    CHECK_EQ(pthread_rwlock_unlock(&rw), 0);
    if (how == 3)
        CHECK(pthread_barrier_wait(&bar) <= 0);
    CHECK(finish(t) == trace);
}
CASE(blocked_mutex_is_no_point) { stays_blocked(0); }
CASE(blocked_rdlock_is_no_point) { stays_blocked(1); }
CASE(blocked_wrlock_is_no_point) { stays_blocked(2); }
CASE(blocked_barrier_is_no_point) { stays_blocked(3); }
