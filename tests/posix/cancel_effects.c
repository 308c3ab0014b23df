// Cancellation: handlers, what is consumed, who may be cancelled when.
#include "cancel.h"
#include <semaphore.h>
#include <sys/socket.h>

static int p[2];
static pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER;
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
