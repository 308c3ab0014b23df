/* Wakers: those that stop soon, and those that go on.
 *
 * Whom a vthread wakes waits in its processor's `next`: mostly the waker is about to wait itself, and then the woken one runs at once,
 * with its data in the cache, for the price of a switch.  To wake an idle processor for it would cost a system call and, mostly, a
 * carrier that finds nothing.  But one that goes on computing holds the woken one up, though a processor is idle: until the monitor
 * sees it.  So each vthread is judged by what it did after its last wakes: `goes_on` counts up when it ran on for LATE_NS, to the top
 * when for VERY_LATE_NS, and down when it stopped earlier.  From EAGER on it wakes an idle processor with each of its wakes.
 *
 * One that spins on locks (Ruby's threads do, on a lock of their own making) may wait for what only the woken one can do, and so
 * never stops: after UNLOCKS_MANY unlocks with somebody in `next` an idle processor is woken, whatever is known of the vthread.
 *
 * Nothing of this happens while no processor sleeps. */
#include "runtime/sched/waker.h"

#define LATE_NS 50000ull
#define VERY_LATE_NS 1000000ull
#define EAGER 2
#define GOES_ON_MAX 4
#define UNLOCKS_MANY 32

static void judge(struct vthread *v, uint64_t ran)
{
    if (ran >= VERY_LATE_NS)
        v->goes_on = GOES_ON_MAX;
    else if (ran < LATE_NS)
        v->goes_on = (uint8_t)(v->goes_on ? v->goes_on - 1 : 0);
    else if (v->goes_on < GOES_ON_MAX)
        v->goes_on++;
}

void waker_woke(struct proc *p)
{
    struct vthread *v = vthr_self;
    uint64_t now;

    if (!v) /* a carrier's own context: it runs whom it woke next */
        return;
    now = now_ns();
    if (p->waker != v || !p->woke_at) {
        p->woke_at = now;
        p->waker = v;
    } else if (now - p->woke_at >= LATE_NS) { /* it has not stopped since its last wake */
        judge(v, now - p->woke_at);
        p->woke_at = now;
    }
    if (v->goes_on < EAGER)
        return;
    p->count.early++;
    sched_wake_one();
}

void waker_stops(struct proc *p, struct vthread *v)
{
    if (p->waker == v) /* else the processor was handed off meanwhile */
        judge(v, now_ns() - p->woke_at);
    p->woke_at = 0;
}

void waker_may_spin(void)
{
    struct vthread *v = vthr_parkable();
    struct proc *p;

    if (likely(!v || !load_relaxed(&vthr_nsleeping)))
        return;
    p = v->carrier->proc;
    if (!p || !load_relaxed(&p->next) || ++v->unlocks < UNLOCKS_MANY)
        return;
    v->unlocks = 0;
    rt_enter(v);
    sched_wake_one();
    rt_leave(v);
}
