/* The scheduler.
 *
 * Switching.  A vthread that stops (park, yield, exit) picks the next ready one of its processor and switches to it directly;
 * with none, or when the poller is due, it switches to its carrier's own context (sched_loop), which polls, steals, sleeps.
 * What must happen to the vthread that stopped (publish it as parked, queue it again, free it) may happen only when it
 * is off its stack: the context that runs next does it, first thing (sched_after_switch).
 *
 * Order.  A vthread made ready goes to `next`, the fast slot (its data is in cache and its waker is about to stop); who was there
 * moves to the queue's tail.  Events of a poll go to the tail, in order.  `next` may overtake the queue NEXT_STREAK
 * times in a row; every GLOBAL_EVERY-th mount looks at the global queue first.  The poller is looked at again when those
 * made ready by the last look have had their turn: polling earlier would report the same descriptors again.
 *
 * Sleeping.  sleeper: sleeping = 1; fence; look everywhere once more; sleep.  waker: publish; fence; look for sleepers. */
#include "runtime/sched/sched.h"
#include "runtime/base/options.h"
#include "runtime/base/panic.h"
#include "runtime/mem/image.h"
#include "runtime/io/hidden.h"
#include "runtime/mem/slab.h"
#include "runtime/sched/shell.h"
#include <errno.h>
#include <string.h>

#define NEXT_STREAK 32
#define GLOBAL_EVERY 61
#define POLL_MIN 61

VTHR_TLS struct vthread *vthr_self;
VTHR_TLS struct carrier *vthr_carrier;
struct vthread vthr_main;
int vthr_active;
struct proc *vthr_procs;
unsigned vthr_nprocs;
uint32_t vthr_nlive;
uint32_t vthr_nsleeping;

/* Overflow, and what native threads and vthreads without a processor make ready. */
static struct {
    struct vthr_lock lk;
    struct vthread *head, *tail; /* protected by lk */
    uint32_t n;                  /* written under lk, read anywhere */
} global = { .lk = VTHR_LOCK_INIT(RANK_GLOBAL_RUNQ) };

static uint32_t next_random(uint32_t *s)
{
    uint32_t x = *s ? *s : 0x9e3779b9u;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *s = x;
}

/* --- Queues --- */

static void fifo_push(struct vthr_lock *lk, struct vthread **head, struct vthread **tail, uint32_t *n, struct vthread *v)
{
    v->q_next = NULL;
    lock(lk);
    if (*head)
        (*tail)->q_next = v;
    else
        *head = v;
    *tail = v;
    store_relaxed(n, *n + 1);
    unlock(lk);
}
static struct vthread *fifo_pop(struct vthr_lock *lk, struct vthread **head, uint32_t *n)
{
    struct vthread *v;

    if (load_relaxed(n) == 0)
        return NULL;
    lock(lk);
    v = *head;
    if (v) {
        *head = v->q_next;
        store_relaxed(n, *n - 1);
    }
    unlock(lk);
    return v;
}
static void global_push(struct vthread *v)
{
    fifo_push(&global.lk, &global.head, &global.tail, &global.n, v);
}
static struct vthread *global_pop(void)
{
    return fifo_pop(&global.lk, &global.head, &global.n);
}
static struct vthread *inbox_pop(struct proc *p)
{
    return fifo_pop(&p->inbox_lk, &p->inbox_head, &p->inbox_n);
}

static void push_tail(struct proc *p, struct vthread *v)
{
    if (unlikely(!runq_push(&p->rq, v)))
        global_push(v);
}
static struct vthread *take_next(struct proc *p)
{
    struct vthread *v = load_relaxed(&p->next);

    return v && cas_acquire(&p->next, &v, (struct vthread *)NULL) ? v : NULL;
}

/* --- Waking processors --- */

void proc_kick(struct proc *p)
{
    if (xchg_acq_rel(&p->sleeping, 0u)) {
        fetch_sub_relaxed(&vthr_nsleeping, 1u);
        poller_kick(&p->poller);
    }
}

/* Starts a processor that has never run. */
static bool start_proc(struct proc *p)
{
    struct carrier *c;
    uint64_t none = 0;

    if (load_relaxed(&p->word) != 0)
        return false;
    c = carrier_get_spare();
    if (!c)
        return false;
    if (!cas_acquire(&p->word, &none, (uint64_t)(uintptr_t)c | P_RT)) {
        carrier_put_spare(c);
        return false;
    }
    carrier_assign(c, p);
    return true;
}

void sched_wake_one(void)
{
    static uint32_t all_started;

    if (load_relaxed(&vthr_nsleeping)) {
        for (unsigned i = 0; i < vthr_nprocs; i++)
            if (load_relaxed(&vthr_procs[i].sleeping)) {
                proc_kick(&vthr_procs[i]);
                return;
            }
    }
    if (load_relaxed(&all_started) == vthr_nprocs)
        return;
    for (unsigned i = 0; i < vthr_nprocs; i++)
        if (load_relaxed(&vthr_procs[i].word) == 0) {
            start_proc(&vthr_procs[i]);
            return;
        }
    store_relaxed(&all_started, vthr_nprocs);
}

bool sched_work_waiting(struct proc *p)
{
    return load_relaxed(&p->next) || runq_len(&p->rq) || load_relaxed(&p->inbox_n) || load_relaxed(&global.n);
}

/* --- Ready --- */

/* The processor that the calling context owns now, or NULL. */
static struct proc *own_proc(void)
{
    struct vthread *v = vthr_self;

    if (v)
        return v->proc;
    return vthr_carrier ? vthr_carrier->proc : NULL;
}

static void ready_elsewhere(struct vthread *v)
{
    global_push(v);
    fence_seq_cst();
    sched_wake_one();
}

/* VTHR_MIGRATE: to another processor than the one it ran on. */
static void ready_migrate(struct vthread *v)
{
    struct proc *p = &vthr_procs[(v->prng++) % vthr_nprocs];

    fifo_push(&p->inbox_lk, &p->inbox_head, &p->inbox_tail, &p->inbox_n, v);
    fence_seq_cst();
    if (!start_proc(p))
        proc_kick(p);
}

void sched_ready(struct vthread *v)
{
    struct proc *p = own_proc();

    if (unlikely(vthr_config.migrate)) {
        ready_migrate(v);
    } else if (unlikely(!p)) {
        ready_elsewhere(v);
    } else {
        struct vthread *old = xchg_acq_rel(&p->next, v);

        p->count.wakes++;
        if (old) {
            push_tail(p, old);
            if (unlikely(load_relaxed(&vthr_nsleeping)))
                sched_wake_one();
        }
    }
}

void sched_ready_tail(struct vthread *v)
{
    struct proc *p = own_proc();

    if (unlikely(vthr_config.migrate)) {
        ready_migrate(v);
    } else if (unlikely(!p)) {
        ready_elsewhere(v);
    } else {
        push_tail(p, v);
        p->count.wakes++;
    }
}

void sched_spawn(struct vthread *v)
{
    struct proc *p = own_proc();

    if (p)
        p->count.spawns++;
    sched_ready(v);
    if (vthr_nprocs > 1)
        sched_wake_one();
}

/* --- Switching --- */

/* The kernel keeps one alternate signal stack for each OS thread: the mounted vthread's. */
static VTHR_NOINLINE void set_altstack(struct carrier *c, struct vthread *v)
{
    stack_t off = { .ss_flags = SS_DISABLE };

    SYS2(SYS_sigaltstack, v->altstack.ss_sp ? &v->altstack : &off, NULL);
    c->altstack = v->altstack.ss_sp;
}

static void mount(struct carrier *c, struct proc *p, struct vthread *v)
{
    v->carrier = c;
    v->proc = p;
    c->cur = v;
    store_relaxed(&p->tick, p->tick + 1);
    if (unlikely(c->altstack != v->altstack.ss_sp))
        set_altstack(c, v);
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

/* The next vthread to run without going through the carrier's context, or NULL. */
static struct vthread *pick_local(struct proc *p)
{
    struct vthread *v;

    if (unlikely(++p->since_poll >= p->poll_quota) || unlikely(vthr_config.random))
        return NULL;
    if (load_relaxed(&p->next) && ++p->next_streak < NEXT_STREAK && (v = take_next(p)))
        return v;
    p->next_streak = 0;
    if (unlikely(p->tick % GLOBAL_EVERY == 0) && (v = global_pop()))
        return v;
    v = runq_pop_spmc(&p->rq);
    return v ? v : take_next(p);
}

static void switch_away(struct vthread *v, enum switch_how how)
{
    struct carrier *c = v->carrier;
    struct proc *p = v->proc;
    struct vthread *n = p ? pick_local(p) : NULL;

    v->how = (uint8_t)how;
    v->proc = NULL;
    c->prev = v;
    if (n) {
        p->count.switches++;
        mount(c, p, n);
        arch_switch(&v->ctx, &n->ctx);
    } else {
        c->cur = NULL;
        arch_switch(&v->ctx, &c->ctx);
    }
    sched_after_switch(v->carrier); /* read again: it may be another carrier now */
}

bool sched_yield_now(struct vthread *v)
{
    struct proc *p = v->proc;

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

/* --- Waiters --- */

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

bool waiter_wake(struct waiter *w, uint64_t ticket, enum wake_reason reason)
{
    struct vthread *v = w->vt; /* a native waiter may be gone after the claim */
    uint64_t was;

    if (!claim(w, ticket, reason, &was))
        return false;
    if (!v)
        sys_futex_wake((uint32_t *)&w->word, 1);
    else if (was == W_PARKED)
        sched_ready(v);
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
    else if (was == W_PARKED)
        sched_ready_tail(v);
    return true;
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
    int r = timer_add(&p->timers, &v->timer, &v->w, ticket, deadline);

    if (r > 0 && p != v->proc)
        proc_kick(p); /* it may sleep for longer */
    if (r < 0)
        waiter_wake(&v->w, ticket, W_TIMEOUT); /* no memory: an early look is better than none */
}

/* Something came between the caller's last look and now.  What comes later nudges us (thread/signal.c). */
static bool wants_interrupt(struct vthread *v)
{
    return (load_relaxed(&v->sigpending) & ~v->sigmask) || (v->cancellable && image_cancel_pending(v->pd));
}

enum wake_reason waiter_park(struct waiter *w, uint64_t deadline, const void *obj)
{
    struct vthread *v = w->vt;
    uint64_t cur;

    if (!v)
        return park_native(w, deadline);
    v->wait_obj = obj;
    if (deadline != NO_DEADLINE)
        arm_timer(v, w->word >> 3, deadline);
    if (unlikely(load_relaxed(&v->attention)) && wants_interrupt(v))
        waiter_wake(w, w->word >> 3, W_INTR);
    cur = load_acquire(&w->word);
    if ((cur & W_MASK) == W_PARKING) {
        if (v->proc)
            v->proc->count.parks++;
        switch_away(v, HOW_PARK);
        cur = load_acquire(&w->word);
    }
    if (deadline != NO_DEADLINE)
        timer_del(&v->timer);
    return (enum wake_reason)(cur & W_MASK);
}

/* --- Entering --- */

void rt_enter_slow(struct vthread *v)
{
    struct carrier *c = v->carrier;
    struct proc *p = c->proc;
    uint64_t w = (uint64_t)(uintptr_t)c | P_BLOCK;

    v->proc = NULL;
    if (!p)
        return;
    /* A hooked call inside an announced one (a callback of libc). */
    if (cas_acquire(&p->word, &w, (uint64_t)(uintptr_t)c | P_RT))
        v->proc = p;
    else
        c->proc = NULL; /* handed off */
}

bool proc_handoff(struct proc *p, uint64_t seen, enum handoff_cause cause)
{
    struct carrier *c = carrier_get_spare();

    if (!c)
        return false;
    if (!cas_acq_rel(&p->word, &seen, (uint64_t)(uintptr_t)c | P_RT)) {
        carrier_put_spare(c);
        return false;
    }
    p->count.handoffs[cause]++;
    carrier_assign(c, p);
    return true;
}

void block_begin(struct vthread *v, bool sure)
{
    struct carrier *c = v->carrier;
    struct proc *p = c->proc;
    uint64_t w = (uint64_t)(uintptr_t)c | P_USER;

    v->blocked_in++;
    if (!p)
        return;
    if (!cas_acq_rel(&p->word, &w, (uint64_t)(uintptr_t)c | P_BLOCK)) {
        c->proc = NULL;
        return;
    }
    if (sure && load_relaxed(&vthr_nlive) > 1) {
        v->in_rt = 1;
        if (proc_handoff(p, (uint64_t)(uintptr_t)c | P_BLOCK, HANDOFF_ANNOUNCED))
            c->proc = NULL;
        v->in_rt = 0;
    }
}

void block_end(struct vthread *v)
{
    struct carrier *c = v->carrier;
    struct proc *p = c->proc;
    uint64_t w = (uint64_t)(uintptr_t)c | P_BLOCK;

    v->blocked_in--;
    if (p && !cas_acq_rel(&p->word, &w, (uint64_t)(uintptr_t)c | P_USER) && w != ((uint64_t)(uintptr_t)c | P_USER))
        c->proc = NULL;
    if (unlikely(load_relaxed(&v->attention)))
        rt_attention(v);
}

/* --- The carriers' loop --- */

static struct vthread *steal(struct proc *p)
{
    unsigned start = next_random(&p->prng) % vthr_nprocs;

    if (unlikely(vthr_config.migrate))
        return NULL;
    for (unsigned i = 0; i < vthr_nprocs; i++) {
        struct proc *q = &vthr_procs[(start + i) % vthr_nprocs];
        struct vthread *v;

        if (q == p)
            continue;
        if (runq_steal_spmc(&p->rq, &q->rq)) {
            p->count.steals++;
            return runq_pop_spmc(&p->rq);
        }
        if ((v = take_next(q))) {
            p->count.steals++;
            return v;
        }
    }
    return NULL;
}

/* VTHR_SCHED=random: any of the ready ones. */
static struct vthread *pick_random(struct proc *p)
{
    struct vthread *v = take_next(p);
    uint32_t n;

    if (v)
        push_tail(p, v);
    if ((v = global_pop()))
        push_tail(p, v);
    n = runq_len(&p->rq);
    if (n == 0)
        return NULL;
    for (n = next_random(&p->prng) % n; n > 0 && (v = runq_pop_spmc(&p->rq)); n--)
        push_tail(p, v);
    return runq_pop_spmc(&p->rq);
}

static struct vthread *find_ready(struct proc *p)
{
    struct vthread *v;

    if (unlikely(vthr_config.random) && (v = pick_random(p)))
        return v;
    if (p->tick % GLOBAL_EVERY == 0 && (v = global_pop()))
        return v;
    if ((v = inbox_pop(p)) || (v = runq_pop_spmc(&p->rq)) || (v = take_next(p)) || (v = global_pop()))
        return v;
    return vthr_nprocs > 1 ? steal(p) : NULL;
}

static void poll_now(struct proc *p)
{
    p->count.polls++;
    timers_run(&p->timers, now_ns());
    poller_poll(&p->poller);
    p->since_poll = 0;
    p->poll_quota = POLL_MIN + runq_len(&p->rq) + load_relaxed(&global.n) / vthr_nprocs;
    if (runq_len(&p->rq) > 1 && load_relaxed(&vthr_nsleeping))
        sched_wake_one();
}

static bool nothing_to_do(struct proc *p)
{
    if (sched_work_waiting(p))
        return false;
    for (unsigned i = 0; i < vthr_nprocs && !vthr_config.migrate; i++)
        if (runq_len(&vthr_procs[i].rq) > 0)
            return false;
    return true;
}

static void sleep_in_poller(struct proc *p)
{
    store_relaxed(&p->sleeping, 1u);
    fetch_add_relaxed(&vthr_nsleeping, 1u);
    fence_seq_cst();
    if (nothing_to_do(p))
        poller_wait(&p->poller, timers_next(&p->timers), &p->sleeping);
    if (xchg_acq_rel(&p->sleeping, 0u))
        fetch_sub_relaxed(&vthr_nsleeping, 1u);
    if (unlikely(load_relaxed(&vthr_monitor_parked)))
        monitor_unpark();
    timers_run(&p->timers, now_ns());
    p->since_poll = 0;
    p->poll_quota = POLL_MIN + runq_len(&p->rq);
    if (runq_len(&p->rq) > 1 && load_relaxed(&vthr_nsleeping))
        sched_wake_one();
}

void sched_loop(struct carrier *c)
{
    for (;;) {
        struct proc *p;
        struct vthread *v;

        sched_after_switch(c);
        if (!c->proc)
            carrier_wait_spare(c);
        p = c->proc;
        if (p->since_poll >= p->poll_quota)
            poll_now(p);
        v = find_ready(p);
        if (!v) {
            poll_now(p);
            v = find_ready(p);
        }
        if (!v) {
            sleep_in_poller(p);
            continue;
        }
        p->count.switches++;
        mount(c, p, v);
        arch_switch(&c->ctx, &v->ctx);
    }
}

/* --- Boot --- */

int sched_init(unsigned n, const char **why)
{
    int r = 0;

    if (!vthr_procs)
        vthr_procs = meta_alloc(n * sizeof *vthr_procs);
    if (!vthr_procs) {
        *why = "no memory for the scheduler";
        return -ENOMEM;
    }
    memset(vthr_procs, 0, n * sizeof *vthr_procs);
    hidden_begin(3 * n + 1);
    for (unsigned i = 0; i < n && !r; i++) {
        struct proc *p = &vthr_procs[i];

        r = poller_init(&p->poller, why);
        p->id = i;
        p->prng = (uint32_t)vthr_config.seed * 2654435761u + i + 1;
        p->poll_quota = POLL_MIN;
        timers_init(&p->timers);
        lock_init(&p->inbox_lk, RANK_GLOBAL_RUNQ);
    }
    hidden_end();
    for (unsigned i = 0; r && i < n; i++)
        poller_term(&vthr_procs[i].poller);
    vthr_nprocs = r ? 0 : n;
    return r;
}

int sched_adopt(struct vthread *v, const char **why)
{
    struct carrier *c = carrier_new_first();

    if (!c) {
        *why = "no memory for the first carrier";
        return -ENOMEM;
    }
    c->proc = &vthr_procs[0];
    c->cur = v;
    c->altstack = v->altstack.ss_sp;
    v->carrier = c;
    v->w.vt = v;
    v->life = VT_LIVE;
    store_relaxed(&vthr_nlive, 1u);
    store_release(&vthr_procs[0].word, (uint64_t)(uintptr_t)c | P_USER);
    return 0;
}

void sched_reset_child(void)
{
    lock_init(&global.lk, RANK_GLOBAL_RUNQ);
    global.head = global.tail = NULL;
    global.n = 0;
    for (unsigned i = 0; i < vthr_nprocs; i++)
        poller_abandon(&vthr_procs[i].poller);
    hidden_reset();
    vthr_procs = NULL;
    vthr_nprocs = 0;
    vthr_nsleeping = 0;
    vthr_nlive = 0;
    carrier_reset_child();
    monitor_reset_child();
}

/* --- Registry --- */

struct vthread *vthread_by_tid(uint32_t tid)
{
    if (vthr_active && tid == vthr_main.tid)
        return &vthr_main;
    if (tid <= VTHR_TID_BASE || tid > VTHR_TID_BASE + shell_count())
        return NULL;
    return load_acquire(&vthr_registry[tid - VTHR_TID_BASE - 1]);
}

int vthread_each(int (*fn)(struct vthread *, void *), void *arg)
{
    uint32_t n = shell_count();
    int r = vthr_main.life == VT_LIVE ? fn(&vthr_main, arg) : 0;

    for (uint32_t i = 0; i < n && !r; i++) {
        struct vthread *v = load_acquire(&vthr_registry[i]);

        if (v && load_acquire(&v->life) == VT_LIVE)
            r = fn(v, arg);
    }
    return r;
}
