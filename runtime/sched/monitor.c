/* The monitor: a native thread that finds stuck carriers.
 *
 * Each look compares every processor with the last look.  One whose owner has run the same vthread since is judged by its state
 * (for the first two: since it is in that state):
 *   whose OS thread used no CPU time since (blocked in the kernel, a page fault)    handed off at once
 *   in an announced call, working (a look-up in /etc/hosts, a big read)            after ANNOUNCED_NS
 *   computing, half of the time or more                                            after COMPUTE_NS; after half of
 *                            that for each HOGS_MANY that were handed off so and still compute, down to COMPUTE_MIN
 * A handoff needs somebody to profit: other live vthreads.  The look interval is short after a handoff and doubles to
 * TICK_MAX, or, for LATE_LOOKS looks after it found work behind one that runs while a processor slept, to LATE_TICK.  After IDLE_LOOKS
 * looks at which every processor slept the monitor sleeps until one wakes up.
 *
 * Why CPU time: it tells "blocked" from "computing" by one system call, for any cause, and only for a carrier that
 * already looks stuck.  A carrier that is runnable but not running (other load on the core) uses none either: so its state
 * in /proc is read before it is called blocked (asleep.c), which costs more but happens seldom. */
#include "runtime/base/panic.h"
#include "runtime/base/real.h"
#include "runtime/sched/asleep.h"
#include "runtime/sched/native.h"
#include "runtime/sched/sched.h"
#include "runtime/sched/starter.h"
#include "runtime/base/ksig.h"
#include <errno.h>
#include <string.h>

#define TICK_MIN 20000ull
#define TICK_MAX 10000000ull
#define BLOCK_NS 20000ull
#define ANNOUNCED_NS 1000000ull
#define COMPUTE_NS 10000000ull
#define COMPUTE_MIN 500000ull
#define HOGS_MANY 8u
#define IDLE_LOOKS 50
#define LATE_TICK 1000000ull
#define LATE_LOOKS 100
#define MISSES 50

#define HOOK_NS 1000000000ull

uint32_t vthr_monitor_parked;
void (*vthr_monitor_hook)(void);
static int own_tid;

static uint64_t thread_cpu_ns(int tid)
{
    struct timespec ts;
    /* include/linux/posix-timers_types.h: per-thread scheduling clock of a tid */
    clockid_t clk = (clockid_t)((~(unsigned)tid) << 3 | 6);

    if (SYS2(SYS_clock_gettime, clk, &ts) < 0)
        return 0;
    return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* Many vthreads that compute, and do not come back, while others wait for their turn: each is on an OS thread of its own in the end, as
 * natively, and should be so soon.  Spares are started ahead, because the kernel runs a new thread late where many compute. */
static uint64_t compute_ns(void)
{
    uint32_t n = load_relaxed(&vthr_nhogs);
    uint64_t ns = n < HOGS_MANY ? COMPUTE_NS : COMPUTE_NS >> (n / HOGS_MANY < 8 ? n / HOGS_MANY : 8);

    return ns > COMPUTE_MIN ? ns : COMPUTE_MIN;
}

/* wall and cpu: since it was mounted.  One that other load keeps from its CPU is not a hog yet. */
static bool is_hog(uint64_t wall, uint64_t cpu)
{
    uint64_t ns = compute_ns();

    return wall >= ns && (cpu >= ns / 2 || wall >= 10 * ns || ns < COMPUTE_NS);
}

/* Without a spare, which another thread starts, it looks again soon, for a while. */
static bool handoff(struct proc *p, uint64_t w, enum handoff_cause cause)
{
    static unsigned misses;

    if (proc_handoff(p, w, cause)) {
        misses = 0;
        return true;
    }
    return load_relaxed(&p->word) == w && misses++ < MISSES;
}

static bool handoff_computing(struct proc *p, uint64_t w)
{
    if (!handoff(p, w, HANDOFF_COMPUTING))
        return false;
    if (load_relaxed(&vthr_nhogs) >= HOGS_MANY && sched_work_waiting(p))
        starter_ask(load_relaxed(&vthr_nhogs) / HOGS_MANY);
    return true;
}

static bool look(struct proc *p, uint64_t now)
{
    uint64_t w = load_acquire(&p->word), tick = load_relaxed(&p->tick), cpu, state = w & P_STATE;
    struct carrier *c = (struct carrier *)(uintptr_t)(w & ~(uint64_t)P_STATE);

    if (tick != p->mon_tick || (w ^ p->mon_word) & ~(uint64_t)P_STATE) { /* another vthread, or carrier */
        p->mon_tick = tick;
        p->mon_since = now;
        p->mon_word = p->mon_cpu_start = 0;
    }
    if (w != p->mon_word) {
        p->mon_word = w;
        p->mon_word_since = now;
        p->mon_cpu = 0;
    }
    /* One that goes in and out of the runtime without pause computes too: only this is not the moment. */
    if (state == P_RT || (load_relaxed(&vthr_nlive) < 2 && timers_next(&p->timers) == NO_DEADLINE)) /* nobody to gain by it */
        return false;
    if (now - p->mon_word_since < BLOCK_NS && now - p->mon_since < compute_ns())
        return false;
    /* Descriptors here are read without ownership: at worst of a carrier that has moved on, then the CAS fails. */
    cpu = thread_cpu_ns(c->tid);
    if (p->mon_cpu && cpu == p->mon_cpu)
        switch (asleep_ask(c->tid)) {
        case ASLEEP: return handoff(p, w, HANDOFF_BLOCKED);
        case ASK_AGAIN: return true;
        case AWAKE: break;
        }
    p->mon_cpu = cpu;
    if (!p->mon_cpu_start)
        p->mon_cpu_start = cpu;
    if (state == P_BLOCK)
        return now - p->mon_word_since >= ANNOUNCED_NS && handoff(p, w, HANDOFF_BLOCKED);
    return is_hog(now - p->mon_since, cpu - p->mon_cpu_start) && handoff_computing(p, w);
}

static bool all_asleep(void)
{
    for (unsigned i = 0; i < vthr_nprocs; i++)
        if (load_relaxed(&vthr_procs[i].word) && !load_relaxed(&vthr_procs[i].sleeping))
            return false;
    return true;
}

static void deep_sleep(void)
{
    store_relaxed(&vthr_monitor_parked, 1u);
    fence_seq_cst();
    while (all_asleep() && load_relaxed(&vthr_monitor_parked))
        sys_futex_wait(&vthr_monitor_parked, 1, NO_DEADLINE);
    store_relaxed(&vthr_monitor_parked, 0u);
}

void monitor_unpark(void)
{
    if (xchg_acq_rel(&vthr_monitor_parked, 0u))
        sys_futex_wake(&vthr_monitor_parked, 1);
}

static void call_hook(uint64_t *last)
{
    uint64_t now = now_ns();

    if (now - *last < HOOK_NS)
        return;
    *last = now;
    vthr_monitor_hook();
}

static void *monitor_main(void *arg)
{
    uint64_t tick = TICK_MIN, most, hooked = 0;
    unsigned idle = 0, late = 0;

    (void)arg;
    store_release(&own_tid, (int)SYS0(SYS_gettid));
    native_hurry(true);
    for (;;) {
        struct timespec ts = { 0, (long)tick };
        bool did = false;
        uint64_t now;

        SYS4(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &ts, NULL);
        if (unlikely(vthr_monitor_hook))
            call_hook(&hooked);
        if (all_asleep()) {
            if (++idle >= IDLE_LOOKS) {
                if (vthr_monitor_hook)
                    vthr_monitor_hook();
                deep_sleep();
                idle = 0;
            }
            tick = TICK_MAX;
            continue;
        }
        idle = 0;
        now = now_ns();
        for (unsigned i = 0; i < vthr_nprocs; i++)
            if (load_relaxed(&vthr_procs[i].word) && !load_relaxed(&vthr_procs[i].sleeping)) {
                store_relaxed(&vthr_procs[i].now, now);
                did |= look(&vthr_procs[i], now);
                /* Work lies behind one that runs, and another processor sleeps. */
                if (load_relaxed(&vthr_nsleeping) && sched_work_waiting(&vthr_procs[i])) {
                    sched_wake_one();
                    late = LATE_LOOKS;
                }
            }
        most = late ? LATE_TICK : compute_ns();
        late -= late > 0;
        tick = did ? TICK_MIN : tick * 2 < most ? tick * 2 : most;
    }
    return NULL;
}

int monitor_tid(void)
{
    return load_acquire(&own_tid);
}

int monitor_start(void)
{
    return native_start(monitor_main, NULL, 65536);
}

void monitor_reset_child(void)
{
    vthr_monitor_parked = 0;
    own_tid = 0;
    asleep_reset_child();
}
