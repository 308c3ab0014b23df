/* Semaphores.  glibc's layout on 64 bits (sysdeps/nptl/internaltypes.h, struct new_sem): a 64-bit word {waiters:32, value:32} and
 * an int that is not zero for process-shared ones, which stay glibc's (announced blocking).  Ours park in the lot under the
 * word; the waiter count is the number of those that are, or are about to be, queued. */
#include "runtime/sync/sem.h"
#include "runtime/base/real.h"
#include "runtime/sched/lot.h"
#include "runtime/sched/sched.h"
#include "runtime/sync/deadline.h"
#include "runtime/sync/turns.h"
#include "runtime/thread/cancel.h"
#include "runtime/thread/signal.h"
#include <errno.h>
#include <limits.h>

struct new_sem {
    uint64_t data;
    int private_;
    int pad;
};
#define VALUE 0xffffffffull
#define ONE_WAITER (1ull << 32)

static struct new_sem *of(sem_t *s)
{
    return (struct new_sem *)s;
}

int sema_trywait(sem_t *s)
{
    uint64_t d = load_relaxed(&of(s)->data);

    while (d & VALUE)
        if (cas_acquire(&of(s)->data, &d, d - 1))
            return 0;
    return -EAGAIN;
}

static int real_wait(sem_t *s, clockid_t clk, const struct timespec *abs)
{
    int r = !abs ? REAL(sem_wait)(s) : clk == CLOCK_REALTIME ? REAL(sem_timedwait)(s, abs) : REAL(sem_clockwait)(s, clk, abs);

    return r ? -errno : 0;
}

/* In turns, as a scope's cancellation has to end it. */
static int real_wait_turns(struct vthread *v, sem_t *s, clockid_t clk, const struct timespec *abs, unsigned ends)
{
    struct turns t = turns_of(clk, abs);
    int r = -ETIMEDOUT;

    v->sig_ran = 0;
    while ((r == -ETIMEDOUT || (r == -EINTR && !(v->sig_ran & ends))) && turn_begin(&t)) {
        if (cancel_stopped(v))
            return -ECANCELED;
        r = real_wait(s, clk, &t.end);
        if (r == -EINTR && !t.step)
            t.step = TURN_FIRST_NS; /* once more up to the deadline */
    }
    return r;
}

static int shared_wait(sem_t *s, clockid_t clk, const struct timespec *abs, unsigned ends)
{
    struct vthread *v = vthr_parkable();
    bool turns = v && lot_may_be_stopped(v, LOT_CANCEL);
    int r;

    if (v) {
        block_begin(v, true);
        block_note(v, wait_on(WAIT_SEM, s));
    }
    r = turns ? real_wait_turns(v, s, clk, abs, ends) : real_wait(s, clk, abs);
    if (v)
        block_end(v);
    return r;
}

int sema_wait(sem_t *s, clockid_t clk, const struct timespec *abs)
{
    struct vthread *v = vthr_parkable();
    unsigned ends = abs ? SIG_RAN_ANY : SIG_RAN_PLAIN; /* as the futex below glibc's */
    uint64_t deadline = NO_DEADLINE;
    int r;

    if (abs && clk != CLOCK_REALTIME && clk != CLOCK_MONOTONIC)
        return -EINVAL;
    if (v)
        cancel_point(v);
    if (of(s)->private_)
        return sema_trywait(s) == 0 ? 0 : shared_wait(s, abs ? clk : CLOCK_REALTIME, abs, ends);
    if (sema_trywait(s) == 0)
        return 0;
    if (abs && !ts_valid(abs))
        return -EINVAL;
    if (v)
        v->sig_ran = 0;
    for (;;) {
        if (abs && (deadline = deadline_at(clk, abs)) == 0)
            return -ETIMEDOUT;
        fetch_add_acq_rel(&of(s)->data, ONE_WAITER);
        /* The low half is the value. */
        r = lot_wait_ends((const uint32_t *)&of(s)->data, 0, deadline, ~0u, ends | LOT_CANCEL, wait_on(WAIT_SEM, s));
        fetch_sub_acq_rel(&of(s)->data, ONE_WAITER);
        if (sema_trywait(s) == 0)
            return 0;
        if (r == -EINTR && v) {
            cancel_point(v);
            if (v->sig_ran & ends)
                return -EINTR;
            if (cancel_stopped(v))
                return -ECANCELED;
        }
    }
}

int sema_post(sem_t *s)
{
    uint64_t d = load_relaxed(&of(s)->data);

    if (of(s)->private_)
        return REAL(sem_post)(s) ? -errno : 0;
    do {
        if ((d & VALUE) == SEM_VALUE_MAX)
            return -EOVERFLOW;
    } while (!cas_acq_rel(&of(s)->data, &d, d + 1));
    if (d >= ONE_WAITER)
        lot_wake(&of(s)->data, 1);
    return 0;
}
