/* Carriers: the OS threads that run vthreads, and the spares among them.
 *
 * A carrier without a processor is a spare: it sleeps on `assigned` until a handoff gives it one.  More than VTHR_SPARES sleeping
 * ones end.  A carrier is started to take over a processor, or, up to VTHR_SPARES, shortly before that (carrier_prepare); one is kept ahead
 * always (starter.c).  So their number hardly exceeds the processors plus the vthreads that hold an OS thread of their own (blocked or
 * computing): what native would have used.
 * Carriers run with all signals blocked but the synchronous ones and our own (thread/signal.c).
 *
 * Protected by `lk`: the spare list and counts. */
#include "runtime/base/options.h"
#include "runtime/base/panic.h"
#include "runtime/base/real.h"
#include "runtime/mem/image.h"
#include "runtime/mem/slab.h"
#include "runtime/sched/bound.h"
#include "runtime/sched/native.h"
#include "runtime/sched/sched.h"
#include "runtime/sched/shell.h"
#include "runtime/sched/starter.h"
#include "runtime/base/ksig.h"
#include <errno.h>
#include <stddef.h>
#include <string.h>

#define CARRIER_STACK 65536ul
#define FIRST_STACK 65536ul
#define SIGSTACK 65536ul
#define SIGSTACK_GUARD 4096ul

static struct vthr_lock lk = VTHR_LOCK_INIT(RANK_CARRIERS);
static struct carrier *spares;
unsigned vthr_ncarriers;
static unsigned n_spares, n_starting; /* starting: will be spares */
static uint32_t missed; /* somebody wanted a spare, and there was none */
static struct carrier *unused; /* descriptors of ended carriers, linked by next_spare */
static struct carrier *made;   /* all descriptors, linked by next_made; only grows; read without the lock */

unsigned carrier_count(void)
{
    return load_relaxed(&vthr_ncarriers);
}

/* With its memory, which it keeps. */
static struct carrier *fresh_descriptor(void)
{
    struct carrier *c = meta_alloc(sizeof *c);
    char *block = c ? slab_alloc(SIGSTACK + SIGSTACK_GUARD, SIGSTACK_GUARD) : NULL;

    if (!block)
        return NULL;
    c->sigstack = block + SIGSTACK_GUARD;
    lock(&lk);
    c->next_made = made;
    store_release(&made, c);
    unlock(&lk);
    return c;
}

void carrier_each(void (*fn)(struct carrier *, void *), void *arg)
{
    for (struct carrier *c = load_acquire(&made); c; c = c->next_made)
        fn(c, arg);
}

static struct carrier *new_descriptor(void)
{
    struct carrier *c;

    lock(&lk);
    c = unused;
    if (c)
        unused = c->next_spare;
    unlock(&lk);
    if (!c)
        c = fresh_descriptor();
    if (!c)
        return NULL;
    memset(c, 0, offsetof(struct carrier, sigstack));
    lock(&lk);
    if (!arch_thread_reserve(&c->os)) {
        c->next_spare = unused;
        unused = c;
        c = NULL;
    }
    unlock(&lk);
    return c;
}

bool carrier_on_sigstack(const struct carrier *c, uintptr_t sp)
{
    return sp - (uintptr_t)c->sigstack < SIGSTACK;
}

/* Refused while the program's alternate stack is in use (it makes its first thread in a signal handler): then the handlers run where
 * the kernel put them until the next try. */
static void set_sigstack(struct carrier *c)
{
    stack_t s = { .ss_sp = c->sigstack, .ss_size = SIGSTACK };

    SYS2(SYS_sigaltstack, &s, NULL);
}

void carrier_main(void *arg)
{
    struct carrier *c = arg;

    c->ctx.tp = (uintptr_t)arch_tp(); /* first: on_setxid asks for it */
    compiler_barrier();
    vthr_carrier = c;
    image_enter();
    store_release(&c->tid, (int)SYS0(SYS_gettid));
    ksig_set_mask(KSIG_CARRIER_MASK);
    set_sigstack(c);
    if (!c->is_first)
        arch_thread_begin(&c->os);
    if (c->bound || c->reserved)
        bound_begin(c);
    sched_loop(c);
}

struct carrier *carrier_here(void)
{
    struct vthread *v = vthr_self;

    return v ? v->carrier : vthr_carrier;
}

void carrier_begin_first(struct vthread *main_v)
{
    set_sigstack(main_v->carrier);
    arch_thread_begin(&main_v->carrier->os);
}

/* The vthread counts its pins: a handler that runs in between may park, and they are lifted for it.  No handler runs in the middle
 * of these themselves. */
static void pin(struct vthread *v, unsigned n)
{
    struct carrier *c = carrier_here();

    if (v)
        v->pins = (uint8_t)(v->pins + n);
    while (c && n--)
        arch_tp_pin(&c->os);
}
static void unpin(struct vthread *v, unsigned n)
{
    struct carrier *c = carrier_here();

    if (v)
        v->pins = (uint8_t)(v->pins - n);
    while (c && n--)
        arch_tp_unpin(&c->os);
}

void carrier_pin(void)
{
    struct vthread *v = vthr_self;

    if (!arch_tp_traps())
        return;
    rt_hold(v);
    pin(v, 1);
    rt_unhold(v);
}

void carrier_unpin(void)
{
    struct vthread *v = vthr_self;

    if (!arch_tp_traps())
        return;
    rt_hold(v);
    unpin(v, 1);
    rt_unhold(v);
}

void carrier_settle(struct vthread *v)
{
    if (v->settled || !arch_tp_traps())
        return;
    arch_tp_pin(&v->carrier->os);
    v->settled = 1;
}

void carrier_unsettle(struct vthread *v)
{
    v->settled = 0;
    arch_tp_unpin(&v->carrier->os);
}

unsigned carrier_lift(struct vthread *v)
{
    unsigned n = v->pins;

    if (unlikely(n)) {
        rt_hold(v);
        unpin(v, n);
        v->in_rt--; /* not rt_unhold: one handler at a time */
    }
    return n;
}

void carrier_lower(struct vthread *v, unsigned n)
{
    if (unlikely(n)) {
        rt_hold(v);
        pin(v, n);
        rt_unhold(v);
    }
}

void carrier_makes_process(void)
{
    struct carrier *c = carrier_here();

    if (c)
        c->is_parent = true;
}

static void *thread_main(void *arg)
{
    carrier_main(arg);
    return NULL;
}

struct carrier *carrier_new_first(void)
{
    struct carrier *c = new_descriptor();
    struct vthread *shell = c ? shell_get(FIRST_STACK, 4096, NULL) : NULL;

    if (!shell)
        return NULL;
    c->is_first = true;
    c->tid = (int)SYS0(SYS_gettid);
    arch_ctx_make(&c->ctx, shell_stack_top(shell), shell->pd, carrier_main, c);
    vthr_ncarriers = 1;
    return c;
}

/* ahead: it waits for a processor among the spares; else its starter assigns one to it at once, or (bound, reserved) it is for one vthread. */
static struct carrier *start_carrier(bool ahead, bool reserved, struct vthread *bound)
{
    struct carrier *c = new_descriptor();
    int r;

    if (!c)
        return NULL;
    c->ahead = ahead;
    c->reserved = reserved;
    c->bound = bound;
    if (bound)
        store_release(&bound->bound, c);
    r = native_start(thread_main, c, CARRIER_STACK);
    lock(&lk);
    if (r) {
        if (bound)
            store_release(&bound->bound, NULL);
        arch_thread_release(&c->os);
        c->next_spare = unused;
        unused = c;
    } else {
        vthr_ncarriers++;
        n_starting += ahead;
    }
    unlock(&lk);
    return r ? NULL : c;
}

void carrier_prepare(unsigned n)
{
    unsigned have;

    n = n < vthr_config.spares ? n : vthr_config.spares;
    lock(&lk);
    have = n_spares + n_starting;
    unlock(&lk);
    while (have++ < n && start_carrier(true, false, NULL))
        ;
}

struct carrier *carrier_get_spare(void)
{
    struct carrier *c;
    bool last;

    lock(&lk);
    c = spares;
    if (c) {
        spares = c->next_spare;
        n_spares--;
    }
    last = n_spares + n_starting == 0;
    if (!c)
        store_relaxed(&missed, 1u);
    unlock(&lk);
    if (last && !starter_ask(1) && !c)
        return start_carrier(false, false, NULL);
    return c;
}

struct carrier *carrier_get_spare_or_start(void)
{
    struct carrier *c = carrier_get_spare();

    return c ? c : start_carrier(false, false, NULL);
}

struct carrier *carrier_start_bound(struct vthread *v)
{
    return start_carrier(false, false, v);
}

struct carrier *carrier_start_reserved(void)
{
    return start_carrier(false, true, NULL);
}

void carrier_put_spare(struct carrier *c)
{
    lock(&lk);
    c->next_spare = spares;
    spares = c;
    n_spares++;
    unlock(&lk);
}

void carrier_assign(struct carrier *c, struct proc *p)
{
    c->given = p;
    store_release(&c->assigned, 1u);
    sys_futex_wake(&c->assigned, 1);
}

static void end_os_thread(struct carrier *c)
{
    stack_t off = { .ss_flags = SS_DISABLE };

    vthr_carrier = NULL; /* what libc still does on this thread is a native thread's */
    arch_tp_pin(&c->os);
    SYS2(SYS_sigaltstack, &off, NULL);
    lock(&lk);
    arch_thread_release(&c->os);
    c->next_spare = unused;
    unused = c;
    vthr_ncarriers--;
    unlock(&lk);
    REAL(pthread_exit)(NULL);
}

void carrier_retire(struct carrier *c)
{
    static uint32_t never;

    if (c->proc)
        bound_give_away(c);
    while (c->is_first)
        sys_futex_wait(&never, 0, NO_DEADLINE);
    end_os_thread(c);
    __builtin_unreachable();
}

/* Of one that was just started only those started ahead go to the list. */
void carrier_wait_spare(struct carrier *c)
{
    bool surplus = false, hurry = load_relaxed(&vthr_nhogs) > 0;

    if (hurry)
        native_hurry(true);
    if (c->ran || c->ahead) {
        lock(&lk);
        n_starting -= c->ahead;
        c->ahead = false;
        surplus = n_spares >= vthr_config.spares && !c->is_first && !c->is_parent;
        if (!surplus) {
            c->next_spare = spares;
            spares = c;
            n_spares++;
        }
        unlock(&lk);
    }
    c->ran = true;
    if (surplus)
        end_os_thread(c);
    if (unlikely(load_relaxed(&missed)) && xchg_acq_rel(&missed, 0u))
        sched_wake_one(); /* for a processor that could not be started */
    while (!load_acquire(&c->assigned))
        sys_futex_wait(&c->assigned, 0, NO_DEADLINE);
    arch_tp_mend();
    if (hurry)
        native_hurry(false);
    store_relaxed(&c->assigned, 0u);
    c->proc = c->given;
    /* Nobody has polled since the last owner got stuck, and the queue may be full of those that get stuck next. */
    c->proc->since_poll = c->proc->poll_quota;
    c->proc->taken_over = true;
}

void carrier_reset_child(void)
{
    lock_init(&lk, RANK_CARRIERS);
    spares = unused = made = NULL;
    n_spares = n_starting = vthr_ncarriers = missed = 0;
    starter_reset_child();
    native_reset_child();
}
