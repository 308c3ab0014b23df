/* Ready vthreads: where they queue and who takes them.
 *
 * A vthread made ready goes to `next`, the fast slot of the waker's processor (its data is in cache and its waker is about to stop);
 * who was there moves to the run queue's tail.  Events of a poll go to the tail, in order.  `next` may overtake the queue
 * NEXT_STREAK times in a row; every GLOBAL_EVERY-th mount looks at the global queue first.  The poller is looked at again
 * when those made ready by the last look have had their turn: earlier, it would report the same descriptors again.  After a
 * handoff it is looked at first, and who wakes then goes before the queue: it may hold many that compute, each of which
 * keeps the processor until the next handoff, while the kernel runs a native thread soon after its wait ends.
 *
 * Whoever owns a processor may push to its queue; anybody may take from queue and slot, by CAS.  Callers without a processor
 * use the global queue, then (fence) look for a sleeper: see proc.c.  Those whose wait they end go to `woken`, which comes before
 * all queues, as a kernel prefers who slept: the queues may be full of vthreads that will compute for long. */
#include "runtime/sched/ready.h"
#include "runtime/base/options.h"
#include "runtime/sched/bound.h"
#include "runtime/sched/trace.h"
#include "runtime/sched/waker.h"

#define NEXT_STREAK 32
#define GLOBAL_EVERY 61

struct fifo {
    struct vthr_lock lk;
    struct vthread *head, *tail; /* protected by lk */
    uint32_t n;                  /* written under lk, read anywhere */
};
/* Overflow, and new vthreads of makers without a processor; whom others without one have woken. */
static struct fifo global = { .lk = VTHR_LOCK_INIT(RANK_GLOBAL_RUNQ) }, woken = { .lk = VTHR_LOCK_INIT(RANK_GLOBAL_RUNQ) };

static uint32_t next_random(uint32_t *s)
{
    uint32_t x = *s ? *s : 0x9e3779b9u;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *s = x;
}

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
/* Owner of p, whose own queue is empty: its share of the global queue becomes its own, so that thousands of vthreads made ready by
 * one look at the poller follow each other directly.  Returns the first. */
static struct vthread *global_share(struct proc *p)
{
    struct vthread *first, *v;
    uint32_t n;

    if (load_relaxed(&global.n) == 0)
        return NULL;
    lock(&global.lk);
    n = global.n / vthr_nprocs;
    first = global.head;
    for (v = first; v;) {
        global.head = v->q_next;
        store_relaxed(&global.n, global.n - 1);
        if (v != first)
            runq_push(&p->rq, v);
        if (n-- <= 1 || runq_len(&p->rq) >= RUNQ_SIZE / 2)
            break;
        v = global.head;
    }
    unlock(&global.lk);
    return first;
}
static struct vthread *woken_pop(struct proc *p)
{
    if (likely(load_relaxed(&woken.n) == 0) || ++p->next_streak >= NEXT_STREAK)
        return NULL;
    return fifo_pop(&woken.lk, &woken.head, &woken.n);
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

bool sched_work_waiting(struct proc *p)
{
    return load_relaxed(&p->next) || runq_len(&p->rq) || load_relaxed(&p->inbox_n) || load_relaxed(&global.n) || load_relaxed(&woken.n);
}

uint32_t ready_global_len(void)
{
    return load_relaxed(&global.n);
}

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
    fifo_push(&woken.lk, &woken.head, &woken.tail, &woken.n, v);
    fence_seq_cst();
    sched_wake_one();
}

/* VTHR_MIGRATE: to another processor than the one it ran on. */
static void ready_migrate(struct vthread *v)
{
    struct proc *p = &vthr_procs[(v->prng++) % vthr_nprocs];

    fifo_push(&p->inbox_lk, &p->inbox_head, &p->inbox_tail, &p->inbox_n, v);
    fence_seq_cst();
    if (!proc_start(p, carrier_get_spare_or_start)) /* nobody else looks into its inbox */
        proc_kick(p);
}

/* Owner of p.  True: somebody was there, and is in the queue now. */
static bool put_next(struct proc *p, struct vthread *v)
{
    struct vthread *old = xchg_acq_rel(&p->next, v);

    p->count.wakes++;
    if (old)
        push_tail(p, old);
    return old != NULL;
}

void sched_ready(struct vthread *v)
{
    struct proc *p = own_proc();

    if (unlikely(v->bound != NULL)) {
        bound_ready(v);
    } else if (unlikely(vthr_config.migrate)) {
        ready_migrate(v);
    } else if (unlikely(!p)) {
        ready_elsewhere(v);
    } else {
        bool waits = put_next(p, v);

        if (likely(!load_relaxed(&vthr_nsleeping)))
            return;
        if (waits)
            sched_wake_one();
        else
            waker_woke(p);
    }
}

void sched_ready_tail(struct vthread *v)
{
    struct proc *p = own_proc();

    if (unlikely(v->bound != NULL)) {
        bound_ready(v);
    } else if (unlikely(vthr_config.migrate)) {
        ready_migrate(v);
    } else if (unlikely(!p)) {
        ready_elsewhere(v);
    } else if (unlikely(p->taken_over)) {
        fifo_push(&p->inbox_lk, &p->inbox_head, &p->inbox_tail, &p->inbox_n, v);
        p->count.wakes++;
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
    if (unlikely(load_relaxed(&vthr_tracing)))
        trace_record(p, TRACE_SPAWN, vthr_self, v, vthr_self ? vthr_self->carrier->tid : 0, 0, 0);
    if (p && !vthr_config.migrate)
        put_next(p, v);
    else
        global_push(v);
    if (p && vthr_nprocs == 1)
        return;
    fence_seq_cst();
    sched_wake_one();
}

/* With thousands of vthreads nothing of the next one is in a cache, and its pages are in no TLB; what its switch and its return touch
 * is asked for while others run: the descriptor two switches ahead, what that points to one ahead. */
static inline void look_ahead(const struct runq *q)
{
    struct vthread *near = runq_peek(q, 0), *far = runq_peek(q, 1);

    if (far) {
        prefetch(far);
        prefetch((char *)far + VTHR_CACHELINE);
        prefetch((char *)far + 2 * VTHR_CACHELINE);
        prefetch((char *)far + 3 * VTHR_CACHELINE);
    }
    if (near) {
        prefetch((char *)near->ctx.sp);
        prefetch((char *)near->ctx.sp + VTHR_CACHELINE);
        prefetch((char *)near->ctx.sp + 2 * VTHR_CACHELINE);
        prefetch((char *)near->ctx.tp);
        prefetch((char *)near->ctx.tp - VTHR_CACHELINE);
    }
}

/* The next vthread to run without going through the carrier's context, or NULL. */
struct vthread *ready_pick_local(struct proc *p)
{
    struct vthread *v;

    if (unlikely(++p->since_poll >= p->poll_quota) || unlikely(vthr_config.random))
        return NULL;
    if (unlikely((v = woken_pop(p)) != NULL))
        return v;
    if (load_relaxed(&p->next) && ++p->next_streak < NEXT_STREAK && (v = take_next(p)))
        return v;
    p->next_streak = 0;
    if (unlikely(p->tick % GLOBAL_EVERY == 0) && (v = global_pop()))
        return v;
    if ((v = runq_pop_spmc(&p->rq)) != NULL) {
        look_ahead(&p->rq);
        return v;
    }
    if ((v = take_next(p)) != NULL)
        return v;
    return unlikely(load_relaxed(&global.n)) ? global_share(p) : NULL; /* `woken` waits for ready_find at the most */
}

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
    struct vthread *v;
    uint32_t n;

    if (load_relaxed(&woken.n) && (next_random(&p->prng) & 1) && (v = fifo_pop(&woken.lk, &woken.head, &woken.n)))
        return v;
    if ((v = take_next(p)))
        push_tail(p, v);
    if ((v = global_pop()))
        push_tail(p, v);
    if ((v = fifo_pop(&woken.lk, &woken.head, &woken.n)))
        push_tail(p, v);
    if ((v = inbox_pop(p)))
        push_tail(p, v);
    n = runq_len(&p->rq);
    if (n == 0)
        return NULL;
    for (n = next_random(&p->prng) % n; n > 0 && (v = runq_pop_spmc(&p->rq)); n--)
        push_tail(p, v);
    return runq_pop_spmc(&p->rq);
}

struct vthread *ready_find(struct proc *p)
{
    struct vthread *v;

    if (unlikely(vthr_config.random) && (v = pick_random(p)))
        return v;
    if ((v = woken_pop(p)))
        return v;
    p->next_streak = 0;
    if (p->tick % GLOBAL_EVERY == 0 && (v = global_pop()))
        return v;
    if ((v = inbox_pop(p)) || (v = runq_pop_spmc(&p->rq)) || (v = take_next(p)) || (v = global_share(p)) || (v = woken_pop(p)))
        return v;
    return vthr_nprocs > 1 ? steal(p) : NULL;
}

bool ready_nothing(struct proc *p)
{
    if (sched_work_waiting(p))
        return false;
    for (unsigned i = 0; i < vthr_nprocs && !vthr_config.migrate; i++)
        if (runq_len(&vthr_procs[i].rq) > 0)
            return false;
    return true;
}

void ready_reset_child(void)
{
    lock_init(&global.lk, RANK_GLOBAL_RUNQ);
    lock_init(&woken.lk, RANK_GLOBAL_RUNQ);
    global.head = global.tail = woken.head = woken.tail = NULL;
    global.n = woken.n = 0;
}
