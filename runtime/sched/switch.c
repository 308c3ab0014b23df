/* Switching, and the carriers' loop.
 *
 * A vthread that stops (park, yield, exit) picks the next ready one of its processor and switches to it directly; with none, or when
 * the poller is due, it switches to its carrier's own context (sched_loop), which polls, steals, sleeps.  What must happen
 * to the vthread that stopped (publish it as parked, queue it again, free it) may happen only when it is off its stack:
 * the context that runs next does it, first thing (sched_after_switch). */
#include "runtime/sched/switch.h"
#include "runtime/base/panic.h"
#include "runtime/sched/bound.h"
#include "runtime/sched/ready.h"
#include "runtime/sched/trace.h"
#include "runtime/sched/usage.h"
#include "runtime/sched/waker.h"

#define DRY_LOOKS 4
#define NO_SLEEP_NS 20000ull /* a sleep that took no longer was none */

static void mount(struct carrier *c, struct proc *p, struct vthread *v)
{
    v->carrier = c;
    v->proc = p;
    c->cur = v;
    store_relaxed(&p->tick, p->tick + 1);
}

void sched_after_switch(struct carrier *c)
{
    struct vthread *prev = c->prev;

    if (!prev)
        return;
    c->prev = NULL;
    prev->carrier = NULL;
    switch (prev->how) {
    case HOW_PARK: {
        uint64_t w = load_relaxed(&prev->w.word);

        /* A waker that came first left its reason there: then it is ours to make it ready. */
        if ((w & W_MASK) != W_PARKING || !cas_acq_rel(&prev->w.word, &w, (w & ~(uint64_t)W_MASK) | W_PARKED))
            sched_ready_tail(prev);
        break;
    }
    case HOW_YIELD:
        sched_ready_tail(prev);
        break;
    case HOW_EXIT:
        c->cur = c->cur == prev ? NULL : c->cur;
        vthread_finished(prev);
        break;
    }
}

void switch_away(struct vthread *v, enum switch_how how)
{
    struct carrier *c = v->carrier;
    struct proc *p = v->proc;
    struct vthread *n = p && likely(!v->bound) ? ready_pick_local(p) : NULL;

    if (unlikely(p && p->woke_at))
        waker_stops(p, v);
    if (unlikely(v->settled))
        carrier_unsettle(v);
    v->how = (uint8_t)how;
    v->proc = NULL;
    c->prev = v;
    if (n) {
        p->count.switches++;
        mount(c, p, n);
        usage_switch(c, v, n);
        trace_switch(p, c, v, n);
        arch_switch(&v->ctx, &n->ctx);
    } else {
        c->cur = NULL;
        usage_switch(c, v, NULL);
        trace_switch(p, c, v, NULL);
        arch_switch(&v->ctx, &c->ctx);
    }
    sched_after_switch(v->carrier); /* read again: it may be another carrier now */
}

bool sched_yield_now(struct vthread *v)
{
    struct proc *p = v->proc;

    if (!p && v->bound)
        return false;
    if (p && !sched_work_waiting(p) && ++p->since_poll < p->poll_quota)
        return false;
    switch_away(v, HOW_YIELD);
    return true;
}

void sched_exit(struct vthread *v)
{
    switch_away(v, HOW_EXIT);
    vthr_panic("a finished vthread ran again");
}

static void run_timers(struct proc *p)
{
    uint64_t now = now_ns();

    store_relaxed(&p->now, now);
    timers_run(&p->timers, now);
}

static void poll_now(struct proc *p)
{
    p->count.polls++;
    run_timers(p);
    poller_poll(&p->poller);
    p->since_poll = 0;
    p->taken_over = false;
    p->poll_quota = POLL_MIN + runq_len(&p->rq) + ready_global_len() / vthr_nprocs;
    if (runq_len(&p->rq) > 1 && load_relaxed(&vthr_nsleeping))
        sched_wake_one();
}

/* Before a sleep.  A sleep ends at once when there are events, but then takes one system call more than a look that finds them; so
 * there is no look where the last ones found nothing. */
static struct vthread *look_once_more(struct proc *p)
{
    struct vthread *v;

    if (p->dry >= DRY_LOOKS)
        run_timers(p);
    else
        poll_now(p);
    v = ready_find(p);
    p->dry = v ? 0 : p->dry + (p->dry < DRY_LOOKS);
    return v;
}

static void sleep_in_poller(struct proc *p)
{
    uint64_t began = p->now;

    store_relaxed(&p->sleeping, 1u);
    fetch_add_relaxed(&vthr_nsleeping, 1u);
    fence_seq_cst();
    if (ready_nothing(p))
        poller_wait(&p->poller, timers_next(&p->timers), &p->sleeping);
    if (xchg_acq_rel(&p->sleeping, 0u))
        fetch_sub_relaxed(&vthr_nsleeping, 1u);
    if (unlikely(load_relaxed(&vthr_monitor_parked)))
        monitor_unpark();
    run_timers(p);
    if (p->now - began < NO_SLEEP_NS)
        p->dry = 0;
    p->since_poll = 0;
    p->poll_quota = POLL_MIN + runq_len(&p->rq);
    if (runq_len(&p->rq) > 1 && load_relaxed(&vthr_nsleeping))
        sched_wake_one();
}

/* c->bound is set. */
static void run_bound(struct carrier *c)
{
    struct vthread *v = bound_wait(c);

    if (!v)
        return;
    v->carrier = c;
    v->proc = NULL;
    c->cur = v;
    usage_switch(c, NULL, v);
    trace_switch(NULL, c, NULL, v);
    arch_switch(&c->ctx, &v->ctx);
}

void sched_loop(struct carrier *c)
{
    for (;;) {
        struct proc *p;
        struct vthread *v;

        sched_after_switch(c);
        if (unlikely(c->bound != NULL)) {
            run_bound(c);
            continue;
        }
        if (unlikely(c->retire))
            carrier_retire(c);
        if (!c->proc)
            carrier_wait_spare(c);
        p = c->proc;
        if (p->since_poll >= p->poll_quota)
            poll_now(p);
        v = ready_find(p);
        if (!v)
            v = look_once_more(p);
        if (!v) {
            sleep_in_poller(p);
            continue;
        }
        p->count.switches++;
        mount(c, p, v);
        usage_switch(c, NULL, v);
        trace_switch(p, c, NULL, v);
        arch_switch(&c->ctx, &v->ctx);
    }
}
