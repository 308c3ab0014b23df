/* Condition variables.
 *
 * Waiters queue in the parking lot under the condition's address; `waiters`, in the first word of the object, counts them
 * so that a signal without waiters is one load.  It changes under the bucket's lock, by whoever takes a waiter off.  A
 * woken waiter does not touch the condition again: it may be destroyed by then (POSIX allows it after a broadcast).
 *
 * The mutex is released after queueing and before parking, so a signal sent with the mutex held finds the waiter.
 * Cancellation: the waiter takes the mutex again before it acts (pthread_cond_wait(3p)).  A scope's cancellation (vthr.h) ends the wait
 * with ECANCELED.  POSIX has no such error, and much code waits in a loop without looking at the result; level-triggered,
 * that loop would spin.  So a wait that begins when the scope is cancelled already does wait, for a moment: such
 * code polls, and goes on when its condition comes true.
 *
 * glibc's fields: pthread_cond_init leaves all zero but __wrefs (bit 0 process-shared, bit 1 CLOCK_MONOTONIC).
 * Process-shared conditions are glibc's own; their waits are announced blocking calls, and short ones in a scope, so that its cancellation
 * can be seen. */
#include "runtime/sync/cond.h"
#include "runtime/base/real.h"
#include "runtime/sched/lot.h"
#include "runtime/sched/sched.h"
#include "runtime/sync/deadline.h"
#include "runtime/sync/mutex.h"
#include "runtime/sync/turns.h"
#include "runtime/thread/cancel.h"
#include <errno.h>
#include <limits.h>

#define WREFS_SHARED 1u
#define WREFS_MONOTONIC 2u

static uint32_t *waiters_of(pthread_cond_t *c)
{
    return (uint32_t *)c;
}
static bool is_shared(pthread_cond_t *c)
{
    return (c->__data.__wrefs & WREFS_SHARED) != 0;
}

static void count_off(void *arg)
{
    uint32_t *n = arg;

    store_relaxed(n, *n - 1);
}

/* 0 also when interrupted: a spurious wake, which POSIX allows. */
static int wait_once(pthread_cond_t *c, pthread_mutex_t *m, uint64_t deadline)
{
    struct waiter native, *w;
    struct lot_node n;
    struct lot_bucket *b;
    bool stopped, shortened = false;
    unsigned count;
    int r;

    w = wait_enter(&native);
    b = lot_lock(c);
    lot_queue(b, &n, c, w, waiter_prepare(w, wait_on(WAIT_COND, c)));
    store_relaxed(waiters_of(c), *waiters_of(c) + 1);
    lot_unlock(b);
    /* Inside the runtime: what the unlock makes ready goes through our own processor. */
    r = mutex_release_all(m, &count);
    if (unlikely(r)) {
        waiter_wake(w, n.ticket, W_INTR);
        lot_park_undo(&n, NO_DEADLINE, count_off, waiters_of(c));
        wait_leave(w);
        return r;
    }
    stopped = w->vt && cancel_stopped(w->vt);
    if (stopped) {
        uint64_t moment = now_ns() + STOPPED_WAIT_NS;

        shortened = moment < deadline;
        deadline = shortened ? moment : deadline;
    }
    if (w->vt)
        w->vt->cancellable = stopped ? 0 : STOP_POINT; /* set a moment ago: the next wait will see it */
    r = lot_park_undo(&n, deadline, count_off, waiters_of(c));
    if (w->vt)
        w->vt->cancellable = 0;
    wait_leave(w);
    mutex_reacquire(m, count);
    if (r == -ETIMEDOUT)
        return shortened ? ECANCELED : ETIMEDOUT;
    return r == -EINTR && w->vt && !stopped && cancel_stopped(w->vt) ? ECANCELED : 0;
}

/* Also when a cancelled wait is unwound, after libc has taken the mutex again. */
static void name_off(struct os_name *n)
{
    name_end(n, false);
}

static int real_wait(pthread_cond_t *c, pthread_mutex_t *m, clockid_t clk, const struct timespec *abs)
{
    return abs ? REAL(pthread_cond_clockwait)(c, m, clk, abs) : REAL(pthread_cond_wait)(c, m);
}

/* One turn only: whoever changes what is waited for may do so between two of them, and finds nobody to signal.  So the caller looks. */
static int real_wait_turn(struct vthread *v, pthread_cond_t *c, pthread_mutex_t *m, clockid_t clk, const struct timespec *abs)
{
    struct turns t = turns_of(clk, abs);
    bool was = cancel_stopped(v);
    int r;

    if (!was)
        t.step = TURN_LAST_NS;
    turn_begin(&t);
    r = real_wait(c, m, clk, &t.end);
    if (r != ETIMEDOUT || !t.step)
        return r;
    return cancel_stopped(v) ? ECANCELED : 0;
}

static int shared_wait(pthread_cond_t *c, pthread_mutex_t *m, clockid_t clk, const struct timespec *abs)
{
    struct vthread *v = vthr_parkable();
    bool turns = v && lot_may_be_stopped(v, LOT_CANCEL);
    /* libc unlocks the mutex and locks it again. */
    __attribute__((cleanup(name_off), unused)) struct os_name n = mutex_name(m);
    int r;

    if (v) {
        block_begin(v, true);
        block_note(v, wait_on(WAIT_COND, c));
    }
    r = turns ? real_wait_turn(v, c, m, clk, abs) : real_wait(c, m, clk, abs);
    if (v)
        block_end(v);
    return r;
}

static int wait_until(pthread_cond_t *c, pthread_mutex_t *m, clockid_t clk, const struct timespec *abs)
{
    struct vthread *v = vthr_parkable();
    uint64_t deadline = NO_DEADLINE;
    int r;

    if (abs && !ts_valid(abs))
        return EINVAL;
    if (v)
        cancel_point(v);
    if (abs)
        deadline = deadline_at(clk, abs);
    r = wait_once(c, m, deadline);
    if (r == ETIMEDOUT && clk != CLOCK_MONOTONIC && deadline_at(clk, abs) != 0)
        r = 0; /* the clock was set back: woken without reason, the caller waits again */
    if (v && r != EPERM)
        cancel_point(v);
    return r;
}

int cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
    if (unlikely(is_shared(c)))
        return shared_wait(c, m, CLOCK_MONOTONIC, NULL);
    return wait_until(c, m, CLOCK_MONOTONIC, NULL);
}

int cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *abs)
{
    clockid_t clk = c->__data.__wrefs & WREFS_MONOTONIC ? CLOCK_MONOTONIC : CLOCK_REALTIME;

    return is_shared(c) ? shared_wait(c, m, clk, abs) : wait_until(c, m, clk, abs);
}

int cond_clockwait(pthread_cond_t *c, pthread_mutex_t *m, clockid_t clk, const struct timespec *abs)
{
    if (clk != CLOCK_REALTIME && clk != CLOCK_MONOTONIC)
        return EINVAL;
    if (unlikely(is_shared(c)))
        return shared_wait(c, m, clk, abs);
    return wait_until(c, m, clk, abs);
}

static int wake(pthread_cond_t *c, int n)
{
    uint32_t *count = waiters_of(c);
    struct vthread *v;
    struct lot_bucket *b;

    if (load_relaxed(count) == 0) /* a waiter that is not counted yet still holds the mutex that the waker held */
        return 0;
    v = wake_enter();
    b = lot_lock(c);
    n = lot_wake_counted(b, c, n, count);
    lot_unlock(b);
    wake_leave(v);
    return n;
}

int cond_signal(pthread_cond_t *c)
{
    if (unlikely(is_shared(c)))
        return REAL(pthread_cond_signal)(c);
    wake(c, 1);
    return 0;
}

int cond_broadcast(pthread_cond_t *c)
{
    if (unlikely(is_shared(c)))
        return REAL(pthread_cond_broadcast)(c);
    wake(c, INT_MAX);
    return 0;
}
