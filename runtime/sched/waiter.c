/* See waiter.h. */
#include "runtime/sched/waiter.h"
#include "runtime/mem/image.h"
#include "runtime/sched/switch.h"
#include "runtime/sched/trace.h"
#include <errno.h>

/* Ends the episode.  False: it had ended.  *was: the state it was in. */
static bool claim(struct waiter *w, uint64_t ticket, enum wake_reason reason, uint64_t *was)
{
    uint64_t cur = load_relaxed(&w->word);

    do {
        if (cur >> 3 != ticket || (cur & W_MASK) > W_PARKED || (cur & W_MASK) == W_RUNNING)
            return false;
    } while (!cas_acq_rel(&w->word, &cur, ticket << 3 | reason));
    *was = cur & W_MASK;
    return true;
}

/* One that had not stopped yet does not stop. */
static inline void woken(struct vthread *v, uint64_t was, void (*ready)(struct vthread *))
{
    trace_wake(v);
    if (was == W_PARKED)
        ready(v);
}

bool waiter_wake(struct waiter *w, uint64_t ticket, enum wake_reason reason)
{
    struct vthread *v = w->vt; /* a native waiter may be gone after the claim */
    uint64_t was;

    if (!claim(w, ticket, reason, &was))
        return false;
    if (!v)
        sys_futex_wake((uint32_t *)&w->word, 1);
    else
        woken(v, was, sched_ready);
    return true;
}

bool waiter_wake_batch(struct waiter *w, uint64_t ticket, enum wake_reason reason)
{
    struct vthread *v = w->vt;
    uint64_t was;

    if (!claim(w, ticket, reason, &was))
        return false;
    if (!v)
        sys_futex_wake((uint32_t *)&w->word, 1);
    else
        woken(v, was, sched_ready_tail);
    return true;
}

bool waiter_claim(struct waiter *w, uint64_t ticket, struct waiter_claim *c)
{
    uint64_t was;

    c->w = w;
    c->vt = w->vt;
    if (!claim(w, ticket, W_GIVEN, &was))
        return false;
    c->parked = was == W_PARKED;
    return true;
}

void waiter_go(const struct waiter_claim *c)
{
    if (!c->vt)
        sys_futex_wake((uint32_t *)&c->w->word, 1); /* the address only: the waiter may be gone */
    else if (c->parked)
        sched_ready(c->vt);
}

static enum wake_reason park_native(struct waiter *w, uint64_t deadline)
{
    for (;;) {
        uint64_t cur = load_acquire(&w->word);

        if ((cur & W_MASK) > W_PARKED)
            return (enum wake_reason)(cur & W_MASK);
        if (sys_futex_wait((uint32_t *)&w->word, (uint32_t)cur, deadline) == -ETIMEDOUT)
            waiter_wake(w, cur >> 3, W_TIMEOUT);
    }
}

static void arm_timer(struct vthread *v, uint64_t ticket, uint64_t deadline)
{
    struct proc *p = v->proc ? v->proc : &vthr_procs[0];
    int r;

    if (v->bound) {
        v->bound_until = deadline; /* its OS thread looks at the clock by itself */
        return;
    }
    r = timer_add(&p->timers, &v->timer, &v->w, ticket, deadline);

    if (r > 0 && p != v->proc)
        proc_kick(p); /* it may sleep for longer */
    if (r < 0)
        waiter_wake(&v->w, ticket, W_TIMEOUT); /* no memory: an early look is better than none */
}

/* Something came between the caller's last look and now, or a handler ran since its call began, or the scope around it is
 * cancelled.  What comes later finds us PARKING or PARKED (thread/signal.c). */
static bool wants_interrupt(struct vthread *v)
{
    if ((v->sig_ran & v->intr) | (load_relaxed(&v->stopped) & v->cancellable))
        return true;
    if (!load_relaxed(&v->attention))
        return false;
    return (load_relaxed(&v->sigpending) & ~v->sigmask) || ((v->cancellable & STOP_POINT) && image_cancel_pending(v->pd));
}

enum wake_reason waiter_park(struct waiter *w, uint64_t deadline)
{
    struct vthread *v = w->vt;
    uint64_t cur;

    if (!v)
        return park_native(w, deadline);
    if (deadline != NO_DEADLINE)
        arm_timer(v, w->word >> 3, deadline);
    if (unlikely(load_relaxed(&v->attention) | (v->sig_ran & v->intr) | (load_relaxed(&v->stopped) & v->cancellable)) && wants_interrupt(v))
        waiter_wake(w, w->word >> 3, W_INTR);
    cur = load_acquire(&w->word);
    if ((cur & W_MASK) == W_PARKING) {
        w->since = proc_coarse_now(v->proc);
        if (v->proc) {
            v->proc->count.parks++;
            v->proc->count.parks_for[w->what.kind]++;
        }
        switch_away(v, HOW_PARK);
        cur = load_acquire(&w->word);
    }
    if (deadline != NO_DEADLINE) {
        timer_del(&v->timer);
        v->bound_until = NO_DEADLINE;
    }
    return (enum wake_reason)(cur & W_MASK);
}
