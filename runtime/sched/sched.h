/* The scheduler: processors, carriers, and how running code enters and leaves the runtime.
 *
 * A processor (Go's P) is the right to run one vthread at a time: a run queue, timers and a poller.  There are
 * VTHR_CARRIERS of them.  A carrier is an OS thread; it runs vthreads while it owns a processor, and is a spare
 * otherwise.  Ownership is one word, {carrier, state}:
 *
 *   P_RT     the owner is in the runtime: nobody else touches the processor
 *   P_USER   the owner runs the program's code: the monitor may take it by CAS (handoff)
 *   P_BLOCK  as P_USER, but the vthread announced a call that may block
 *   0        nobody has started it yet
 *
 * Entering the runtime is a CAS P_USER -> P_RT.  If it fails, the processor was handed off while we ran: the vthread goes on
 * without one (vthread.proc == NULL), as a native thread would; it may wake others (by the global queue), and when it parks
 * its OS thread joins the spares.  So a stuck vthread costs at most what native costs, and nobody waits for it. */
#pragma once
#include "runtime/io/poller.h"
#include "runtime/sched/runq.h"
#include "runtime/sched/vthread.h"

enum { P_RT = 1, P_USER = 2, P_BLOCK = 3, P_STATE = 7 };

/* What the context that runs next does for the one that switched away (vthread.how). */
enum switch_how { HOW_NONE, HOW_PARK, HOW_YIELD, HOW_EXIT };

enum handoff_cause { HANDOFF_BLOCKED, HANDOFF_ANNOUNCED, HANDOFF_COMPUTING, HANDOFF_CAUSES };

struct counters {
    uint64_t switches, parks, steals, spawns, polls, wakes, early, handoffs[HANDOFF_CAUSES];
    uint64_t parks_for[WAIT_KINDS]; /* they sum up to parks */
};

struct proc {
    uint64_t word VTHR_ALIGNED(VTHR_CACHELINE); /* carrier | P_* */
    uint64_t tick;            /* mounts; written by the owner, read by the monitor */
    uint64_t now;             /* CLOCK_MONOTONIC when it was last read: by the owner's polls, and by the monitor between them */
    struct vthread *next;     /* fast slot: the vthread just made ready; taken by CAS */
    uint64_t woke_at;         /* when `waker` put somebody into `next` while another processor slept, or 0: waker.c */
    struct vthread *waker;
    uint32_t next_streak;     /* times in a row that `next` overtook the queue */
    uint32_t since_poll, poll_quota;
    bool taken_over;          /* the owner's first poll since a handoff: who wakes then overtakes the queue */
    uint8_t dry;              /* looks at the poller in a row, before a sleep, that found nothing: switch.c */
    uint32_t id;
    uint32_t sleeping;        /* 1: the owner sleeps in the poller, or is about to */
    uint32_t prng;
    struct runq rq;
    struct timers timers;
    struct poller poller;
    struct vthr_lock inbox_lk;
    struct vthread *inbox_head, *inbox_tail; /* from others, for this processor only (VTHR_MIGRATE, taken_over) */
    uint32_t inbox_n;
    struct counters count;    /* written by the owner */
    struct trace_ring *trace; /* VTHR_TRACE; else NULL */
    /* Monitor only. */
    uint64_t mon_tick, mon_word, mon_since, mon_word_since, mon_cpu, mon_cpu_start;
};

struct carrier {
    struct arch_ctx ctx VTHR_ALIGNED(VTHR_CACHELINE); /* its scheduler context, on its own stack */
    struct proc *proc;      /* what it believes it owns; the truth is proc->word.  Its own thread's only. */
    struct proc *given;     /* by carrier_assign, before `assigned` */
    struct vthread *cur;    /* mounted vthread */
    struct vthread *prev;   /* who just switched away, to be dealt with */
    struct arch_thread os;  /* for the switch */
    uint32_t assigned;      /* futex: 1 when a spare got a processor */
    int tid;                /* kernel thread id */
    uint32_t nudged;        /* a SIG_NUDGE is on its way to this OS thread: thread/signal.c */
    struct vthread *bound;  /* runs no other: bound.c */
    bool reserved;          /* waits for one vthread to come: bound.c */
    bool retire;            /* is to end */
    void *robust;           /* head of the list of robust mutexes that the kernel was told last: sync/name.c */
    bool is_first;          /* the process's first OS thread: never exits */
    bool ran;               /* has owned a processor before */
    bool ahead;             /* started to be a spare */
    bool hog;               /* its processor was taken because it computed, and it has not come back yet */
    bool is_parent;         /* made a process, to which its end would be the parent's death (PR_SET_PDEATHSIG): it never exits */
    uint64_t profiled;      /* receiver only: CPU time when its vthread got a signal of a CPU timer last */
    struct carrier *next_spare;
    /* From here on kept when the descriptor is used again. */
    char *sigstack;         /* what the kernel delivers signals on: thread/sigstack.c */
    struct carrier *next_made;
};

VTHR_BEGIN_DECLS
extern VTHR_TLS struct carrier *vthr_carrier; /* set in carriers' own contexts only */
extern struct proc *vthr_procs;
extern unsigned vthr_nprocs;
extern uint32_t vthr_nlive;     /* live vthreads, the main one included */
extern uint32_t vthr_nhogs;     /* carriers with `hog` set */
extern uint32_t vthr_nsleeping; /* processors with sleeping == 1 */

/* --- Entering and leaving, on a vthread --- */
void rt_enter_slow(struct vthread *v);
void rt_attention(struct vthread *v); /* thread/signal.c: pending signals, cancellation */

static inline void rt_enter(struct vthread *v)
{
    struct carrier *c = v->carrier;
    struct proc *p = c->proc;
    uint64_t w = (uint64_t)(uintptr_t)c | P_USER;

    v->in_rt = 1;
    compiler_barrier();
    if (likely(p != NULL) && likely(cas_acquire(&p->word, &w, (uint64_t)(uintptr_t)c | P_RT)))
        v->proc = p;
    else
        rt_enter_slow(v);
}
static inline void rt_release_proc(struct vthread *v)
{
    struct proc *p = v->proc;

    if (p) {
        v->proc = NULL;
        store_release(&p->word, (uint64_t)(uintptr_t)v->carrier | P_USER);
    }
}
static inline void rt_leave(struct vthread *v)
{
    rt_release_proc(v);
    compiler_barrier();
    v->in_rt = 0;
    compiler_barrier();
    if (unlikely(load_relaxed(&v->attention)))
        rt_attention(v);
}
/* As rt_leave without delivering anything: for callers that look at attention themselves. */
static inline void rt_leave_quiet(struct vthread *v)
{
    rt_release_proc(v);
    compiler_barrier();
    v->in_rt = 0;
}

/* A stretch of the program's side in which a lock of ours is held: no handler runs in it, what comes is looked at after it.
 * v NULL: a native thread. */
static inline void rt_hold(struct vthread *v)
{
    if (v)
        v->in_rt++;
    compiler_barrier();
}
static inline void rt_unhold(struct vthread *v)
{
    compiler_barrier();
    if (!v || --v->in_rt)
        return;
    compiler_barrier();
    if (unlikely(load_relaxed(&v->attention)))
        rt_attention(v);
}

/* The waiter of the calling thread, inside the runtime: its vthread's, or *native made fresh where there is nothing to
 * park (native threads; hooks that the runtime's own calls into libc run into). */
static inline struct waiter *wait_enter(struct waiter *native)
{
    struct vthread *v = vthr_parkable();

    if (v) {
        rt_enter(v);
        return &v->w;
    }
    native->word = 0;
    native->vt = NULL;
    return native;
}
static inline void wait_leave(struct waiter *w)
{
    if (w->vt)
        rt_leave(w->vt);
}
/* For wakers: enters if on a vthread outside the runtime; pass what it returns to wake_leave. */
static inline struct vthread *wake_enter(void)
{
    struct vthread *v = vthr_parkable();

    if (v)
        rt_enter(v);
    return v;
}
static inline void wake_leave(struct vthread *v)
{
    if (v)
        rt_leave(v);
}

/* When something began, for debuggers: costs no look at the clock, so it is early by up to a look of the monitor (10 ms). */
static inline uint64_t proc_coarse_now(struct proc *p)
{
    return likely(p != NULL) ? load_relaxed(&p->now) : now_ns();
}

/* --- Announced blocking calls, on a vthread outside the runtime --- */
/* sure: it is going to block for long, so the processor is handed off at once; else the monitor does it if the call lasts. */
void block_begin(struct vthread *v, bool sure);
void block_end(struct vthread *v);
/* After block_begin, for debuggers: what the call is for. */
static inline void block_note(struct vthread *v, struct wait_on what)
{
    v->w.what = what;
}

/* --- Scheduling --- */
/* Makes v run somewhere.  Any thread. */
void sched_ready(struct vthread *v);
void sched_ready_tail(struct vthread *v);
/* As sched_ready for a new vthread: wakes an idle processor even if v is the only one waiting. */
void sched_spawn(struct vthread *v);
/* In the runtime.  Returns true when another vthread ran. */
bool sched_yield_now(struct vthread *v);
/* In the runtime, never returns.  The rest (joiners, recycling) is done off the stack, by vthread_finished. */
void sched_exit(struct vthread *v) VTHR_NORETURN;
void vthread_finished(struct vthread *v); /* thread/exit.c */

/* Called first by every new context: completes the switch that led to it. */
void sched_after_switch(struct carrier *c);

/* Boot: makes n processors; then the calling OS thread, running `v`, becomes carrier and owner of processor 0. */
int sched_init(unsigned n, const char **why);
int sched_adopt(struct vthread *v, const char **why);
void sched_reset_child(void);

/* --- Carriers (carrier.c) --- */
void carrier_main(void *c) VTHR_NORETURN;
struct carrier *carrier_new_first(void); /* for the process's first OS thread */
void carrier_prepare(unsigned n); /* starts so many that there will be n spares, VTHR_SPARES at the most; does not wait for them */
/* A sleeping OS thread, or NULL: then there will be one soon.  It does not wait for libc (starter.c). */
struct carrier *carrier_get_spare(void);
struct carrier *carrier_get_spare_or_start(void); /* or a new one; NULL: none can be made */
void carrier_put_spare(struct carrier *c);
void carrier_assign(struct carrier *c, struct proc *p); /* wakes spare c as the owner of p */
void carrier_wait_spare(struct carrier *c);             /* returns with c->proc set, or exits the OS thread */
extern unsigned vthr_ncarriers; /* OS threads that are carriers; read with carrier_count */
void carrier_retire(struct carrier *c) VTHR_NORETURN;
/* A new OS thread for v alone, which waits until v is ready (bound.c).  NULL: none can be made. */
struct carrier *carrier_start_bound(struct vthread *v);
/* The same for one that is to come later (carrier.reserved). */
struct carrier *carrier_start_reserved(void);
unsigned carrier_count(void);
/* Calls fn for every carrier's descriptor, those of ended ones too.  Descriptors are never unmapped. */
void carrier_each(void (*fn)(struct carrier *, void *), void *arg);
/* The process's first OS thread has switched nothing yet: see arch_thread_begin. */
void carrier_begin_first(struct vthread *main_v);
/* The one that the calling OS thread is, or NULL.  Also in a handler that interrupted the runtime. */
struct carrier *carrier_here(void);
/* The signal stack of the OS thread contains sp: thread/sigstack.c. */
bool carrier_on_sigstack(const struct carrier *c, uintptr_t sp);
/* Around libc functions that block all signals on the calling OS thread for a while (they make processes or threads of their
 * own).  No park in between.  Any thread. */
void carrier_pin(void);
void carrier_unpin(void);
/* The vthread, in the runtime and without a processor, will stay on this OS thread for long, asleep in the kernel again and again: the kernel
 * is told its thread pointer, so that no trap follows.  Undone when it stops. */
void carrier_settle(struct vthread *v);
void carrier_unsettle(struct vthread *v);
/* Around handlers, which may park and come back on another carrier: takes the vthread's pins off, and puts as many on. */
unsigned carrier_lift(struct vthread *v);
void carrier_lower(struct vthread *v, unsigned n);
/* The calling OS thread makes a process. */
void carrier_makes_process(void);
void carrier_reset_child(void);
void sched_loop(struct carrier *c) VTHR_NORETURN;

/* Takes p from its owner, whose word is `seen`, and gives it to a spare.  False: it moved on by itself, or there is no spare. */
bool proc_handoff(struct proc *p, uint64_t seen, enum handoff_cause cause);
/* Interrupts p's sleep in its poller. */
void proc_kick(struct proc *p);
/* An idle processor is made to look for work, if there is one. */
void sched_wake_one(void);
bool sched_work_waiting(struct proc *p);

/* --- Monitor (monitor.c) --- */
int monitor_start(void);
int monitor_tid(void); /* an OS thread whose properties nobody changes; 0: not yet known */
void monitor_reset_child(void);
extern uint32_t vthr_monitor_parked;
void monitor_unpark(void);
/* Called by the monitor, if not NULL, before it sleeps because nothing runs, and every second or so while something does. */
extern void (*vthr_monitor_hook)(void);
VTHR_END_DECLS
