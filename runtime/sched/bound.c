/* Bound vthreads.
 *
 * A vthread that is bound has `bound`, its carrier, and the carrier has `bound`, the vthread.  The carrier runs nobody else: it never picks a
 * successor (switch.c), and when its vthread stops it gives the processor that it may own to a spare and sleeps on its own word,
 * `assigned`.  A waker (sched_ready) sets that word instead of queueing the vthread.  So the vthread waits as a native thread does, in
 * one futex, which also ends its wait at the deadline: no timer of a processor's, nobody else's turn.  It runs without a processor
 * from then on, as any vthread whose processor was handed off; what it wakes goes to the queues for all.
 *
 * A carrier of the usual kind binds a vthread that runs on it by two stores, because both are its own; the processor stays until the
 * vthread stops or the monitor takes it.  So a hold for a short while costs nothing else.
 *
 * For life: the OS thread may carry what belongs to no other (a policy, a namespace, a tracee): it ends with its vthread.  The process's
 * first OS thread cannot end: a vthread other than the main one is moved to a new OS thread before it is bound, and after a bound main
 * vthread the first OS thread sleeps for ever.
 *
 * Another may want it (bound_reserve): it starts the OS thread, which waits, and the vthread goes there by itself when it attends next.
 *
 * One that is bound from its birth has the kernel's number of its OS thread as its own, in its image too, so that robust and
 * priority-inheriting mutexes, /proc and calls by number work as natively.  `numbered` finds it by that; at its end it gets back the
 * number that belongs to its shell. */
#include "runtime/sched/bound.h"
#include "runtime/mem/image.h"
#include "runtime/mem/slab.h"
#include "runtime/sched/ready.h"
#include "runtime/sched/switch.h"
#include <errno.h>

#define MAX_NUMBERED 65536u

static struct vthread **numbered; /* written by CAS, read anywhere */
static uint32_t numbered_top;     /* one past the highest place in use */

/* --- Numbers --- */

static struct vthread **table(void)
{
    struct vthread **t = load_acquire(&numbered), **mine;

    if (t)
        return t;
    mine = meta_alloc(MAX_NUMBERED * sizeof *mine);
    if (!mine)
        return NULL;
    return cas_acq_rel(&numbered, &t, mine) ? mine : t;
}

static struct vthread **note_numbered(struct vthread *v)
{
    struct vthread **t = table();

    for (uint32_t i = 0; t && i < MAX_NUMBERED; i++) {
        struct vthread *none = NULL;
        uint32_t top = load_relaxed(&numbered_top);

        if (load_relaxed(&t[i]) || !cas_acq_rel(&t[i], &none, v))
            continue;
        while (top <= i && !cas_acq_rel(&numbered_top, &top, i + 1))
            ;
        return &t[i];
    }
    return NULL;
}

struct image_owner {
    const void *pd;
    struct vthread *v;
};
/* One that shows its OS thread's number for the time of a call: sync/name.c. */
static void look_at_image(struct carrier *c, void *arg)
{
    struct vthread *v = load_acquire(&c->bound);
    struct image_owner *o = arg;

    if (v && v->pd == o->pd)
        o->v = v;
}

struct vthread *bound_find(uint32_t tid, const void *pd)
{
    struct image_owner o = { pd, NULL };

    struct vthread **t = load_acquire(&numbered);
    uint32_t top = load_acquire(&numbered_top);

    for (uint32_t i = 0; t && i < top; i++) {
        struct vthread *v = load_acquire(&t[i]);

        if (v && (pd ? v->pd == pd : load_acquire(&v->tid) == tid))
            return v;
    }
    if (pd)
        carrier_each(look_at_image, &o);
    return o.v;
}

static void set_number(struct vthread *v, uint32_t tid)
{
    store_release(&v->tid, tid);
    store_release(image_tid(v->pd), tid);
}

/* --- Binding --- */

static void bind_here(struct vthread *v)
{
    struct carrier *c = v->carrier;

    v->bound_until = NO_DEADLINE;
    c->bound = v;
    store_release(&v->bound, c);
}

/* To an OS thread that is made for it. */
int bound_move(struct vthread *v)
{
    struct carrier *c;

    rt_enter(v);
    v->bound_until = NO_DEADLINE;
    c = carrier_start_bound(v);
    if (c)
        switch_away(v, HOW_YIELD);
    rt_leave(v);
    return c ? 0 : -EAGAIN;
}

bool bound_shares_main(const struct vthread *v)
{
    return v->carrier->is_first && v != &vthr_main && !v->bound;
}

int bound_for_life(struct vthread *v)
{
    int r = 0;

    if (v->bound_life)
        return 0;
    /* One that holds mutexes in its OS thread's name must stay where it is. */
    if (bound_shares_main(v))
        r = bound_move(v);
    else
        bind_here(v);
    if (r == 0)
        v->bound_life = true;
    return r;
}

void bound_stay(struct vthread *v)
{
    bool moved = true;

    rt_hold(v);
    while (moved && bound_shares_main(v) && v->in_rt == 1) {
        rt_unhold(v);
        moved = bound_move(v) == 0; /* else: as good as it goes */
        rt_hold(v);
    }
    bound_hold(v);
}

void bound_hold(struct vthread *v)
{
    if (v->holds++ == 0 && !v->bound)
        bind_here(v);
}

void bound_release(struct vthread *v)
{
    if (--v->holds || v->bound_life)
        return;
    v->carrier->bound = NULL;
    store_release(&v->bound, NULL);
    if (unlikely(load_relaxed(&v->reserve) != NULL))
        store_relaxed(&v->attention, 1); /* now it may go there */
}

int bound_os_tid(const struct vthread *v)
{
    const struct carrier *c = load_acquire(&v->bound);

    return c && load_relaxed(&v->bound_life) ? load_relaxed(&c->tid) : 0;
}

/* --- At the wish of another --- */

static int await_tid(struct carrier *c)
{
    while (!load_acquire(&c->tid))
        sys_futex_wait((uint32_t *)&c->tid, 0, NO_DEADLINE);
    return c->tid;
}

struct carrier *bound_reserve(void)
{
    struct carrier *c = carrier_start_reserved();

    if (c)
        await_tid(c);
    return c;
}

void bound_unreserve(struct carrier *c)
{
    c->retire = true;
    carrier_assign(c, NULL);
}

void bound_take(struct vthread *v)
{
    struct carrier *c = load_acquire(&v->reserve);

    if (v->holds || v->bound_life)
        return;
    rt_enter(v);
    if (v->carrier->bound == v)
        v->carrier->bound = NULL;
    v->bound_until = NO_DEADLINE;
    v->bound_life = v->owns = true;
    c->bound = v;
    store_release(&v->bound, c);
    switch_away(v, HOW_YIELD);
    store_release(&v->reserve, NULL);
    rt_leave_quiet(v);
}

void bound_start_procs(void)
{
    for (unsigned i = 0; i < vthr_nprocs; i++)
        proc_start(&vthr_procs[i], carrier_get_spare_or_start);
}

void bound_give_up_proc(struct vthread *v)
{
    bound_start_procs();
    rt_enter(v);
    if (v->proc)
        bound_give_away(v->carrier);
    v->proc = NULL;
}

/* --- New ones --- */

static int end_unborn(struct carrier *c, struct vthread *v, int r)
{
    c->bound = NULL;
    v->bound = NULL;
    c->retire = true;
    carrier_assign(c, NULL);
    return r;
}

int bound_spawn(struct vthread *v, int (*prepare)(int tid, void *arg), void *arg)
{
    struct carrier *c;
    int r;

    v->bound_life = v->has_os_number = true; /* before its first mount */
    v->bound_until = NO_DEADLINE;
    c = carrier_start_bound(v);
    if (!c)
        return -EAGAIN;
    r = prepare ? prepare(await_tid(c), arg) : 0;
    if (r)
        return end_unborn(c, v, r);
    carrier_assign(c, NULL);
    return 0;
}

void bound_begin(struct carrier *c)
{
    c->ran = true; /* may be a spare when it is bound no more */
    sys_futex_wake((uint32_t *)&c->tid, 1);
    while (c->reserved && !load_acquire(&c->assigned))
        sys_futex_wait(&c->assigned, 0, NO_DEADLINE);
}

/* It may not run: its maker has taken it back. */
static struct vthread *first_mount(struct carrier *c)
{
    struct vthread *v = c->bound;

    if (v && v->has_os_number && v->tid != (uint32_t)c->tid && note_numbered(v))
        set_number(v, (uint32_t)c->tid);
    return v;
}

/* --- Scheduling --- */

void bound_ready(struct vthread *v)
{
    struct carrier *c = v->bound;

    store_release(&c->assigned, 1u);
    sys_futex_wake(&c->assigned, 1);
}

/* In the runtime nobody else touches the processor's word. */
void bound_give_away(struct carrier *c)
{
    struct timespec ts = { 0, 1000000 };
    struct proc *p = c->proc;
    struct carrier *n;

    while (!(n = carrier_get_spare_or_start()))
        SYS4(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &ts, NULL);
    c->proc = NULL;
    store_release(&p->word, (uint64_t)(uintptr_t)n | P_RT);
    carrier_assign(n, p);
}

struct vthread *bound_wait(struct carrier *c)
{
    struct vthread *v = c->bound;

    if (c->proc)
        bound_give_away(c);
    while (!load_acquire(&c->assigned))
        if (sys_futex_wait(&c->assigned, 0, v->bound_until) == -ETIMEDOUT)
            waiter_wake(&v->w, load_relaxed(&v->w.word) >> 3, W_TIMEOUT);
    arch_tp_mend();
    store_relaxed(&c->assigned, 0u);
    return first_mount(c);
}

void bound_finished(struct vthread *v)
{
    struct carrier *c = v->bound;
    struct vthread **t = load_acquire(&numbered);

    if (!c)
        return;
    c->bound = NULL;
    c->retire = v->bound_life || v->holds;
    store_release(&v->bound, NULL);
    if (!v->has_os_number)
        return;
    set_number(v, v->number);
    for (uint32_t i = 0; t && i < load_acquire(&numbered_top); i++)
        if (load_relaxed(&t[i]) == v)
            store_release(&t[i], NULL);
}

void bound_reset_child(void)
{
    numbered = NULL;
    numbered_top = 0;
}
