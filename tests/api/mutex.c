// Mutexes and conditions: exclusion, turns, cancellation and deadlines that take nothing, what goes back by itself.
#include "tests/preload/check.h"
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <vthr.h>

static vthr_mutex *m;
static vthr_condition *changed;
static int inside, begun;
static long total;

static vthr_scope *open_scope(void)
{
    vthr_scope *s;

    CHECK_EQ(vthr_scope_open(&s), 0);
    return s;
}

static int adds(void *arg, void **value)
{
    (void)value;
    for (long i = 0; i < (long)arg; i++) {
        CHECK_EQ(vthr_mutex_lock(m), 0);
        CHECK_EQ(inside++, 0);
        total++;
        if (i % 16 == 0)
            sched_yield();
        CHECK_EQ(--inside, 0);
        CHECK_EQ(vthr_mutex_unlock(m), 0);
    }
    return 0;
}
static void exclusion(void)
{
    vthr_scope *s = open_scope();

    for (int i = 0; i < 8; i++)
        CHECK_EQ(vthr_spawn(s, NULL, adds, (void *)200L), 0);
    CHECK_EQ(vthr_scope_leave(s), 0);
    CHECK_EQ(total, 1600);
}

static void errors(void)
{
    vthr_scope *s, *in;

    CHECK_EQ(vthr_mutex_unlock(m), EPERM);
    CHECK_EQ(vthr_condition_wait(changed), EPERM);
    CHECK_EQ(vthr_mutex_lock(m), 0); // in no scope
    CHECK_EQ(vthr_mutex_lock(m), EDEADLK);
    CHECK_EQ(vthr_try_mutex(m), EDEADLK);
    CHECK_EQ(vthr_condition_wait_until(changed, vthr_after(1000)), ETIMEDOUT);
    CHECK_EQ(vthr_mutex_unlock(m), 0); // it was locked again
    CHECK_EQ(vthr_mutex_unlock(m), EPERM);

    s = open_scope(); // what was locked in a scope is unlocked with it
    in = open_scope();
    CHECK_EQ(vthr_mutex_lock(m), 0);
    CHECK_EQ(vthr_scope_leave(in), 0);
    CHECK_EQ(vthr_mutex_unlock(m), EPERM);
    CHECK_EQ(vthr_mutex_lock(m), 0);
    in = open_scope();
    CHECK_EQ(vthr_scope_leave(in), 0);
    CHECK_EQ(vthr_mutex_unlock(m), 0);
    CHECK_EQ(vthr_scope_leave(s), 0);
}

// Who is cancelled, or late, has not locked it; who ends with it has given it back.
static int locks_and_fails(void *arg, void **value)
{
    (void)arg, (void)value;
    CHECK_EQ(vthr_mutex_lock(m), 0);
    return EIO;
}
static int waits_for_lock(void *arg, void **value)
{
    (void)arg, (void)value;
    CHECK_EQ(vthr_try_mutex(m), EAGAIN);
    CHECK_EQ(vthr_mutex_lock_until(m, vthr_after(1000)), ETIMEDOUT);
    __atomic_add_fetch(&begun, 1, __ATOMIC_SEQ_CST);
    CHECK_EQ(vthr_mutex_lock(m), ECANCELED);
    CHECK_EQ(vthr_mutex_lock(m), ECANCELED);
    CHECK_EQ(vthr_mutex_unlock(m), EPERM);
    return ECANCELED;
}
static int waits_for_change(void *arg, void **value)
{
    (void)arg, (void)value;
    CHECK_EQ(vthr_mutex_lock(m), 0);
    __atomic_add_fetch(&begun, 1, __ATOMIC_SEQ_CST);
    while (!vthr_cancelled()) {
        int r = vthr_condition_wait(changed);

        CHECK(r == 0 || (r == ECANCELED && vthr_cancelled()));
    }
    CHECK_EQ(vthr_condition_wait(changed), ECANCELED);
    CHECK_EQ(vthr_mutex_unlock(m), 0);
    return ECANCELED;
}
static void wait_begun(int n)
{
    while (__atomic_load_n(&begun, __ATOMIC_SEQ_CST) < n)
        sched_yield();
    begun = 0;
}
static void cancelled(void)
{
    vthr_scope *s = open_scope();

    CHECK_EQ(vthr_spawn(s, NULL, locks_and_fails, NULL), 0);
    CHECK_EQ(vthr_scope_leave(s), EIO);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(vthr_mutex_lock(m), 0);
        s = open_scope();
        CHECK_EQ(vthr_spawn(s, NULL, waits_for_lock, NULL), 0);
        CHECK_EQ(vthr_spawn(s, NULL, waits_for_lock, NULL), 0);
        wait_begun(2);
        for (int k = 0; k < i % 3; k++)
            sched_yield();
        vthr_scope_cancel(s);
        CHECK_EQ(vthr_scope_leave(s), 0);
        CHECK_EQ(vthr_mutex_unlock(m), 0);

        s = open_scope();
        CHECK_EQ(vthr_spawn(s, NULL, waits_for_change, NULL), 0);
        CHECK_EQ(vthr_spawn(s, NULL, waits_for_change, NULL), 0);
        wait_begun(2);
        vthr_scope_cancel(s);
        CHECK_EQ(vthr_scope_leave(s), 0);
    }
    CHECK_EQ(vthr_try_mutex(m), 0);
    CHECK_EQ(vthr_mutex_unlock(m), 0);
}

// A queue of one place, with one condition for each side.
static vthr_condition *filled, *emptied;
static long place, got;
static bool full;
static int puts_in(void *arg, void **value)
{
    (void)value;
    for (long i = 1; i <= (long)arg; i++) {
        CHECK_EQ(vthr_mutex_lock(m), 0);
        while (full)
            CHECK_EQ(vthr_condition_wait(emptied), 0);
        place = i;
        full = true;
        vthr_condition_signal(filled);
        CHECK_EQ(vthr_mutex_unlock(m), 0);
    }
    return 0;
}
static int takes_out(void *arg, void **value)
{
    (void)value;
    for (long i = 1; i <= (long)arg; i++) {
        CHECK_EQ(vthr_mutex_lock(m), 0);
        while (!full)
            CHECK_EQ(vthr_condition_wait(filled), 0);
        got += place;
        full = false;
        CHECK_EQ(vthr_mutex_unlock(m), 0);
        vthr_condition_signal(emptied); // with the mutex or without
    }
    return 0;
}
static void queue(void)
{
    vthr_scope *s = open_scope();

    CHECK_EQ(vthr_condition_new(&filled, m), 0);
    CHECK_EQ(vthr_condition_new(&emptied, m), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(vthr_spawn(s, NULL, puts_in, (void *)300L), 0);
        CHECK_EQ(vthr_spawn(s, NULL, takes_out, (void *)300L), 0);
    }
    CHECK_EQ(vthr_scope_leave(s), 0);
    CHECK_EQ(got, 3L * 300 * 301 / 2);
    vthr_condition_free(filled);
    vthr_condition_free(emptied);
}

// A signal is not lost when its receiver is cancelled in the same moment: so many signals, so many that were told, or still wait.
static int tokens, told, cancelled_ones;
static int takes_signal(void *arg, void **value)
{
    int r = 0;

    (void)arg, (void)value;
    CHECK_EQ(vthr_mutex_lock(m), 0);
    __atomic_add_fetch(&begun, 1, __ATOMIC_SEQ_CST);
    while (tokens == 0 && r == 0)
        r = vthr_condition_wait(changed);
    if (r == 0) {
        tokens--;
        told++;
    } else {
        CHECK_EQ(r, ECANCELED);
        cancelled_ones++;
    }
    CHECK_EQ(vthr_mutex_unlock(m), 0);
    return r;
}
static void races(void)
{
    for (int i = 0; i < 200; i++) {
        vthr_scope *s = open_scope(), *doomed = open_scope();

        CHECK_EQ(vthr_spawn(doomed, NULL, takes_signal, NULL), 0);
        wait_begun(1);
        CHECK_EQ(vthr_spawn(s, NULL, takes_signal, NULL), 0);
        wait_begun(1);
        CHECK_EQ(vthr_mutex_lock(m), 0); // both wait by now
        tokens++;
        if (i & 1)
            vthr_condition_signal(changed);
        CHECK_EQ(vthr_mutex_unlock(m), 0);
        vthr_scope_cancel(doomed);
        if (!(i & 1))
            vthr_condition_signal(changed);
        CHECK_EQ(vthr_scope_leave(doomed), 0);
        CHECK_EQ(vthr_mutex_lock(m), 0);
        if (tokens == 0 && cancelled_ones == 0) { // the first has taken it: another for the second
            tokens++;
            vthr_condition_broadcast(changed);
        }
        CHECK_EQ(vthr_mutex_unlock(m), 0);
        CHECK_EQ(vthr_scope_leave(s), 0);
        CHECK(told + cancelled_ones == 2 && told >= 1 && tokens == 0);
        told = cancelled_ones = 0;
    }
}

// pthread_cancel unwinds with the mutex locked.
static void unlocks(void *arg)
{
    CHECK_EQ(vthr_mutex_unlock(arg), 0);
}
static void *waits_for_ever(void *arg)
{
    CHECK_EQ(vthr_mutex_lock(m), 0);
    pthread_cleanup_push(unlocks, m);
    __atomic_add_fetch(&begun, 1, __ATOMIC_SEQ_CST);
    for (;;)
        vthr_condition_wait(changed);
    pthread_cleanup_pop(0);
    return arg;
}
static void unwound(void)
{
    pthread_t th = start(waits_for_ever, NULL);
    void *value;

    wait_begun(1);
    CHECK_EQ(pthread_cancel(th), 0);
    CHECK_EQ(pthread_join(th, &value), 0);
    CHECK(value == PTHREAD_CANCELED);
    CHECK_EQ(vthr_mutex_lock(m), 0);
    CHECK_EQ(vthr_mutex_unlock(m), 0);
}

int main(void)
{
    CHECK_EQ(vthr_mutex_new(&m), 0);
    CHECK_EQ(vthr_condition_new(&changed, m), 0);
    exclusion();
    errors();
    cancelled();
    queue();
    races();
    unwound();
    vthr_condition_free(changed);
    vthr_mutex_free(m);
    vthr_mutex_free(NULL);
    vthr_condition_free(NULL);
    puts("ok");
    return 0;
}
