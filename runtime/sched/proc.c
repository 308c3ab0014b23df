/* Processors: entering and leaving the runtime, waking idle ones, handing stuck ones off.  The states are in sched.h.
 *
 * Sleeping.  sleeper: sleeping = 1; fence; look everywhere once more; sleep.  waker: publish; fence; look for sleepers.
 * A handoff gets its new carrier first and then takes the processor by CAS, so a processor never is without an owner. */
#include "runtime/base/options.h"
#include "runtime/io/hidden.h"
#include "runtime/mem/slab.h"
#include "runtime/sched/bound.h"
#include "runtime/sched/ready.h"
#include "runtime/sched/trace.h"
#include "runtime/sched/usage.h"
#include <errno.h>
#include <string.h>

int vthr_active;
struct proc *vthr_procs;
unsigned vthr_nprocs;
uint32_t vthr_nlive;
uint32_t vthr_nsleeping, vthr_nhogs;

void proc_kick(struct proc *p)
{
    if (xchg_acq_rel(&p->sleeping, 0u)) {
        fetch_sub_relaxed(&vthr_nsleeping, 1u);
        poller_kick(&p->poller);
    }
}

bool proc_start(struct proc *p, struct carrier *(*get)(void))
{
    struct carrier *c;
    uint64_t none = 0;

    if (load_relaxed(&p->word) != 0)
        return false;
    c = get();
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
            proc_start(&vthr_procs[i], carrier_get_spare);
            return;
        }
    store_relaxed(&all_started, vthr_nprocs);
}

/* The processor was handed off. */
static void lost_proc(struct carrier *c)
{
    c->proc = NULL;
    if (c->hog) {
        c->hog = false;
        fetch_sub_relaxed(&vthr_nhogs, 1u);
    }
}

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
        lost_proc(c);
}

static void mark_hog(struct carrier *c, bool is)
{
    c->hog = is;
    fetch_add_relaxed(&vthr_nhogs, is ? 1u : -1u);
}

bool proc_handoff(struct proc *p, uint64_t seen, enum handoff_cause cause)
{
    struct carrier *old = (struct carrier *)(uintptr_t)(seen & ~(uint64_t)P_STATE);
    /* The monitor must go on; who announces a call is in nobody's way. */
    struct carrier *c = cause == HANDOFF_ANNOUNCED ? carrier_get_spare_or_start() : carrier_get_spare();

    if (!c)
        return false;
    /* Before it can notice. */
    if (cause == HANDOFF_COMPUTING)
        mark_hog(old, true);
    if (!cas_acq_rel(&p->word, &seen, (uint64_t)(uintptr_t)c | P_RT)) {
        if (cause == HANDOFF_COMPUTING)
            mark_hog(old, false);
        carrier_put_spare(c);
        return false;
    }
    p->count.handoffs[cause]++;
    if (unlikely(load_relaxed(&vthr_tracing)))
        trace_record(NULL, TRACE_HANDOFF, NULL, NULL, old->tid, cause, 0);
    carrier_assign(c, p);
    return true;
}

void block_begin(struct vthread *v, bool sure)
{
    struct carrier *c = v->carrier;
    struct proc *p = c->proc;
    uint64_t w = (uint64_t)(uintptr_t)c | P_USER;

    v->w.what = wait_on(WAIT_CALL, NULL);
    v->w.since = proc_coarse_now(p);
    v->call_fp = *(uintptr_t *)__builtin_frame_address(0);
    compiler_barrier(); /* for debuggers */
    v->blocked_in++;
    if (!p)
        return;
    if (!cas_acq_rel(&p->word, &w, (uint64_t)(uintptr_t)c | P_BLOCK) && w != ((uint64_t)(uintptr_t)c | P_BLOCK)) {
        lost_proc(c);
        return;
    }
    if (sure && (load_relaxed(&vthr_nlive) > 1 || timers_next(&p->timers) != NO_DEADLINE)) {
        rt_hold(v);
        if (proc_handoff(p, (uint64_t)(uintptr_t)c | P_BLOCK, HANDOFF_ANNOUNCED))
            c->proc = NULL;
        rt_unhold(v);
    }
}

void block_end(struct vthread *v)
{
    struct carrier *c = v->carrier;
    struct proc *p = c->proc;
    uint64_t w = (uint64_t)(uintptr_t)c | P_BLOCK;

    /* One inside another (a name service's module reads a file): the outer one goes on. */
    if (--v->blocked_in == 0 && p && !cas_acq_rel(&p->word, &w, (uint64_t)(uintptr_t)c | P_USER) && w != ((uint64_t)(uintptr_t)c | P_USER))
        lost_proc(c);
    if (unlikely(load_relaxed(&v->attention)))
        rt_attention(v);
}

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
        p->now = now_ns();
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
    v->carrier = c;
    v->w.vt = v;
    v->life = VT_LIVE;
    store_relaxed(&vthr_nlive, 1u);
    store_release(&vthr_procs[0].word, (uint64_t)(uintptr_t)c | P_USER);
    return 0;
}

void sched_reset_child(void)
{
    ready_reset_child();
    for (unsigned i = 0; i < vthr_nprocs; i++)
        poller_abandon(&vthr_procs[i].poller);
    hidden_reset();
    trace_reset_child();
    vthr_procs = NULL;
    vthr_nprocs = 0;
    vthr_nsleeping = vthr_nhogs = 0;
    vthr_nlive = 0;
    carrier_reset_child();
    bound_reset_child();
    monitor_reset_child();
    usage_reset_child();
}
