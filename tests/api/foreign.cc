// Scopes in threads that other libraries make: libstdc++'s, libc's own for timers and message queues, a C11 thread.  All of it works there:
// tasks, channels with other threads, cancellation from outside, deadlines, tokens, locals, messages.
#include "tests/preload/check.h"
#include <future>
#include <signal.h>
#include <thread>
#include <threads.h>
#include <vthr.hpp>

static vthr_channel *answers;
static vthr_semaphore *tokens;
static vthr::local<int> number;

static int doubles(void *arg, void **value)
{
    *value = reinterpret_cast<void *>(2 * reinterpret_cast<long>(arg));
    return vthr_give_back(tokens) == EPERM && *number.get() == 5 ? 0 : EDOM; // the token is the opener's
}
static int waits(void *, void **)
{
    int x;
    return vthr_receive(answers, &x);
}
static int fails(void *, void **)
{
    return vthr_fail(ENOENT, "no mouse");
}

// In a thread of which nothing is known.
static long work(long n)
{
    vthr_scope *s, *in;
    vthr_task *t;
    void *value;
    int five = 5;

    CHECK_EQ(vthr_scope_open(&s), 0);
    CHECK_EQ(vthr_acquire(tokens), 0);
    number.set(&five);
    CHECK_EQ(vthr_spawn(s, &t, doubles, reinterpret_cast<void *>(n)), 0);
    CHECK_EQ(vthr_join(t, &value), 0);
    CHECK_EQ(vthr_scope_open(&in), 0);
    CHECK_EQ(vthr_spawn(in, nullptr, waits, nullptr), 0);
    CHECK_EQ(vthr_scope_timeout(in, VTHR_MS(1)), 0);
    CHECK_EQ(waits(nullptr, nullptr), ECANCELED);
    CHECK_EQ(vthr_scope_leave(in), ETIMEDOUT);
    CHECK_EQ(vthr_scope_open(&in), 0);
    CHECK_EQ(vthr_spawn(in, nullptr, fails, nullptr), 0);
    CHECK_EQ(vthr_scope_leave(in), ENOENT);
    CHECK(!strcmp(vthr_error_message(ENOENT), "no mouse"));
    CHECK_EQ(vthr_scope_leave(s), 0);
    CHECK(number.get() == nullptr);
    CHECK_EQ(vthr_try_acquire(tokens), EPERM);
    return reinterpret_cast<long>(value);
}

// Cancelled from outside.
static vthr_channel *scopes;
static void cancelled()
{
    vthr_scope *s;

    CHECK_EQ(vthr_scope_open(&s), 0);
    CHECK_EQ(vthr_spawn(s, nullptr, waits, nullptr), 0);
    CHECK_EQ(vthr_send(scopes, &s), 0);
    CHECK_EQ(waits(nullptr, nullptr), ECANCELED);
    CHECK_EQ(vthr_cancelled(), 1);
    CHECK_EQ(vthr_scope_leave(s), 0);
    CHECK_EQ(vthr_cancelled(), 0);
}
static void cancel_one()
{
    vthr_scope *s;

    CHECK_EQ(vthr_receive(scopes, &s), 0);
    vthr_scope_cancel(s);
}

static vthr_event *fired;
static void timer_thread(union sigval n)
{
    long r = work(n.sival_int);

    cancelled();
    CHECK_EQ(r, 2 * n.sival_int);
    vthr_event_set(fired);
}
static void by_timer() // libc makes the thread
{
    struct sigevent e = {};
    struct itimerspec soon = {{0, 0}, {0, 1000}};
    timer_t timer;

    CHECK_EQ(vthr_event_new(&fired), 0);
    e.sigev_notify = SIGEV_THREAD;
    e.sigev_notify_function = timer_thread;
    e.sigev_value.sival_int = 21;
    CHECK_EQ(timer_create(CLOCK_MONOTONIC, &e, &timer), 0);
    CHECK_EQ(timer_settime(timer, 0, &soon, nullptr), 0);
    cancel_one();
    CHECK_EQ(vthr_event_wait(fired), 0);
    CHECK_EQ(timer_delete(timer), 0);
    vthr_event_free(fired);
}

static int c11(void *arg)
{
    return static_cast<int>(work(reinterpret_cast<long>(arg)));
}

int main()
{
    thrd_t th;
    int r;

    CHECK_EQ(vthr_channel_new(&answers, sizeof(int), 0), 0);
    CHECK_EQ(vthr_channel_new(&scopes, sizeof(vthr_scope *), 0), 0);
    CHECK_EQ(vthr_semaphore_new(&tokens, 3), 0);
    for (int i = 0; i < 3; i++) {
        std::thread a([] { CHECK_EQ(work(1), 2); }), b(cancelled);
        auto c = std::async(std::launch::async, work, 10L);

        cancel_one();
        CHECK_EQ(c.get(), 20);
        a.join();
        b.join();
        CHECK_EQ(thrd_create(&th, c11, reinterpret_cast<void *>(4L)), 0);
        CHECK_EQ(thrd_join(th, &r), 0);
        CHECK_EQ(r, 8);
        by_timer();
    }
    vthr_channel_free(answers);
    vthr_channel_free(scopes);
    vthr_semaphore_free(tokens);
    puts("ok");
    return 0;
}
