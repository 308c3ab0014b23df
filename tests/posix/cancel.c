// Cancellation: state, type, handlers, what is consumed, who may be cancelled when.
#include "suite.h"
#include <semaphore.h>
#include <sys/socket.h>

static atomic_int in, go, cleaned;
static char trace[32];
static void note(void *arg) { strcat(trace, arg); }
static void clean(void *arg) { (void)arg; atomic_fetch_add(&cleaned, 1); }
static void reset(void)
{
    atomic_store(&in, 0);
    atomic_store(&go, 0);
    atomic_store(&cleaned, 0);
    trace[0] = 0;
}

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
static void *test_loop(void *arg)
{
    atomic_store(&in, 1);
    for (;;)
        pthread_testcancel();
    return arg;
}
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

// pthread_cancel: "the cancellation cleanup handlers shall be called" in the reverse order, then "the thread-specific data
// destructor functions".
static pthread_key_t key;
static void key_gone(void *v) { (void)v; strcat(trace, "k"); }
static void *with_handlers(void *arg)
{
    CHECK_EQ(pthread_setspecific(key, trace), 0);
    pthread_cleanup_push(note, "1");
    pthread_cleanup_push(note, "2");
    pthread_cleanup_push(note, "3");
    pthread_cleanup_pop(1);
    atomic_store(&in, 1);
    for (;;)
        pause();
    pthread_cleanup_pop(0);
    pthread_cleanup_pop(0);
    return arg;
}
CASE(handlers_in_reverse_order_then_keys)
{
    reset();
    CHECK_EQ(pthread_key_create(&key, key_gone), 0);
    pthread_t t = start(with_handlers, NULL);
    until(&in);
    CHECK_EQ(pthread_cancel(t), 0);
    CHECK(finish(t) == PTHREAD_CANCELED);
    CHECK(strcmp(trace, "321k") == 0);
    CHECK_EQ(pthread_key_delete(key), 0);
}
// 2.9.5.3: in the handlers cancelability is as good as disabled: they may call cancellation points.
static void sleeping_handler(void *arg)
{
    struct timespec ts = {0, 1000};
    (void)arg;
    nanosleep(&ts, NULL);
    pthread_testcancel();
    CHECK_EQ(write(p[1], "h", 1), 1);
    atomic_fetch_add(&cleaned, 1);
}
static void *cancelled_with_sleeper(void *arg)
{
    pthread_cleanup_push(sleeping_handler, NULL);
    pthread_cancel(pthread_self());
    pthread_testcancel();
    pthread_cleanup_pop(0);
    return arg;
}
CASE(handlers_may_call_cancellation_points)
{
    reset();
    CHECK_EQ(pipe(p), 0);
    CHECK(finish(start(cancelled_with_sleeper, NULL)) == PTHREAD_CANCELED);
    CHECK_EQ(atomic_load(&cleaned), 1);
}
// A second request changes nothing; one to a thread that has ended and is not yet joined is no error (glibc).
static void *give(void *arg) { return arg; }
CASE(cancel_twice)
{
    reset();
    pthread_t t = start(test_loop, NULL);
    CHECK_EQ(pthread_cancel(t), 0);
    CHECK_EQ(pthread_cancel(t), 0);
    CHECK(finish(t) == PTHREAD_CANCELED);
}
CASE(cancel_after_the_end)
{
    pthread_t t = start(give, trace);
    settle();
    CHECK_EQ(pthread_cancel(t), 0);
    void *v = finish(t);
    CHECK(v == trace || v == PTHREAD_CANCELED); // it may not have run yet; then pause is not reached but glibc checks at the start
}
// Cancelled before it has begun: still joined, and the handlers it never pushed are not run.
CASE(cancel_before_the_start)
{
    for (int i = 0; i < 50; i++) {
        reset();
        CHECK_EQ(pthread_key_create(&key, NULL), 0);
        pthread_t t = start(with_handlers, NULL);
        CHECK_EQ(pthread_cancel(t), 0);
        CHECK(finish(t) == PTHREAD_CANCELED);
        CHECK_EQ(pthread_key_delete(key), 0);
    }
}
// "nothing consumed": what was there at the call, or arrives after the thread has ended, is there for the next reader.
static void *read_pending(void *arg)
{
    char b[8];
    pthread_cancel(pthread_self());
    return (void *)read(*(int *)arg, b, sizeof b);
}
static void *read_blocked(void *arg)
{
    char b[8];
    atomic_store(&in, 1);
    return (void *)read(*(int *)arg, b, sizeof b);
}
static void nothing_lost(int r, int w)
{
    char b[8];
    CHECK_EQ(write(w, "abc", 3), 3);
    for (int i = 0; i < 10; i++)
        CHECK(finish(start(read_pending, &r)) == PTHREAD_CANCELED);
    read_all(r, b, 3);
    CHECK_EQ(memcmp(b, "abc", 3), 0);
    for (int i = 0; i < 10; i++) {
        reset();
        pthread_t t = start(read_blocked, &r);
        until(&in);
        CHECK_EQ(pthread_cancel(t), 0);
        CHECK(finish(t) == PTHREAD_CANCELED);
    }
    CHECK_EQ(write(w, "def", 3), 3);
    read_all(r, b, 3);
    CHECK_EQ(memcmp(b, "def", 3), 0);
}
CASE(cancelled_read_consumed_nothing_pipe)
{
    CHECK_EQ(pipe(p), 0);
    nothing_lost(p[0], p[1]);
}
CASE(cancelled_read_consumed_nothing_socket)
{
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
    nothing_lost(p[0], p[1]);
}
// The same for a semaphore: a cancelled wait has not taken it.
static sem_t s;
static void *sem_waiter(void *arg)
{
    atomic_store(&in, 1);
    CHECK_EQ(sem_wait(&s), 0);
    return arg;
}
CASE(cancelled_sem_wait_consumed_nothing)
{
    for (int i = 0; i < 100; i++) {
        int v;
        reset();
        CHECK_EQ(sem_init(&s, 0, 0), 0);
        pthread_t t = start(sem_waiter, trace);
        until(&in);
        CHECK_EQ(pthread_cancel(t), 0);
        CHECK_EQ(sem_post(&s), 0);
        void *r = finish(t);
        CHECK_EQ(sem_getvalue(&s, &v), 0);
        CHECK_EQ(v, r == PTHREAD_CANCELED);
    }
}
// And a condition: "a thread that has been unblocked because it has been canceled ... shall not consume any condition signal that may
// be directed concurrently at the condition variable if there are other threads blocked on the condition variable."
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static int waiting, open_;
static void unlock(void *m) { pthread_mutex_unlock(m); }
static void *cond_waiter(void *arg)
{
    pthread_mutex_lock(&plain);
    pthread_cleanup_push(unlock, &plain);
    waiting++;
    while (!open_)
        pthread_cond_wait(&c, &plain);
    pthread_cleanup_pop(1);
    return arg;
}
CASE(cancelled_cond_wait_consumed_no_signal)
{
    for (int i = 0; i < 30; i++) {
        waiting = open_ = 0;
        pthread_t victim = start(cond_waiter, NULL), other = start(cond_waiter, NULL);
        pthread_mutex_lock(&plain);
        while (waiting < 2) {
            pthread_mutex_unlock(&plain);
            settle();
            pthread_mutex_lock(&plain);
        }
        CHECK_EQ(pthread_cancel(victim), 0);
        open_ = 1;
        CHECK_EQ(pthread_cond_signal(&c), 0);
        pthread_mutex_unlock(&plain);
        // If the victim did take the signal it has left the wait normally and finds it open: it then passes it on.
        if (finish(victim) != PTHREAD_CANCELED)
            CHECK_EQ(pthread_cond_signal(&c), 0);
        finish(other);
    }
}
// pthread_join: "if the thread calling pthread_join() is canceled, then the target thread shall not be detached."
static void *wait_go(void *arg) { until(&go); return arg; }
static void *joiner(void *arg)
{
    atomic_store(&in, 1);
    pthread_join(*(pthread_t *)arg, NULL);
    return NULL;
}
CASE(cancelled_join_leaves_it_joinable)
{
    reset();
    pthread_t t = start(wait_go, trace), j = start(joiner, &t);
    until(&in);
    settle();
    CHECK_EQ(pthread_cancel(j), 0);
    CHECK(finish(j) == PTHREAD_CANCELED);
    atomic_store(&go, 1);
    CHECK(finish(t) == trace);
}
// The main thread can be cancelled; the others go on.
static pthread_t main_thread;
static void *cancel_main(void *arg)
{
    void *v;
    (void)arg;
    CHECK_EQ(pthread_cancel(main_thread), 0);
    CHECK_EQ(pthread_join(main_thread, &v), 0);
    _exit(v == PTHREAD_CANCELED ? 5 : 1);
}
LONE(main_thread_cancelled)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        main_thread = pthread_self();
        start(cancel_main, NULL);
        for (;;)
            pause();
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(WEXITSTATUS(status), 5);
}
// A cancelled detached thread ends without anybody.
static void *detached(void *arg)
{
    pthread_detach(pthread_self());
    pthread_cleanup_push(clean, NULL);
    atomic_store(&in, 1);
    for (;;)
        pause();
    pthread_cleanup_pop(0);
    return arg;
}
CASE(detached_is_cancelled)
{
    reset();
    pthread_t t = start(detached, NULL);
    until(&in);
    CHECK_EQ(pthread_cancel(t), 0);
    until(&cleaned);
}
// Many at once, in many kinds of waits.
static void *mixed_wait(void *arg)
{
    pthread_cleanup_push(clean, NULL);
    for (;;) {
        switch ((long)arg % 4) {
        case 0: pause(); break;
        case 1: sleep(60); break;
        case 2: poll(NULL, 0, -1); break;
        default: sem_wait(&s);
        }
    }
    pthread_cleanup_pop(0);
    return NULL;
}
CASE(hundred_at_once)
{
    pthread_t t[100];
    reset();
    CHECK_EQ(sem_init(&s, 0, 0), 0);
    for (long i = 0; i < 100; i++)
        t[i] = start(mixed_wait, (void *)i);
    settle();
    for (int i = 0; i < 100; i++)
        CHECK_EQ(pthread_cancel(t[i]), 0);
    for (int i = 0; i < 100; i++)
        CHECK(finish(t[i]) == PTHREAD_CANCELED);
    CHECK(atomic_load(&cleaned) <= 100);
}
