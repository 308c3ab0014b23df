#include "runtime/diag/stats.h"
#include "runtime/base/options.h"
#include "runtime/base/panic.h"
#include "runtime/base/sys.h"
#include "runtime/diag/debug.h"
#include "runtime/sched/sched.h"
#include "runtime/sched/shell.h"
#include <stdlib.h>

#define PAGE 4096ul
#define STACK_PAGES 4096ul /* looked at by one system call */
#define LOOKED_AT 4096u    /* stacks, at most twice as many */

static void line(const char *name, uint64_t v)
{
    char num[24];

    vthr_say(name, ": ", vthr_utoa(v, num), NULL);
}

/* Where there is something to tell. */
static void line_for(const char *what, const char *name, uint64_t v)
{
    char num[24];

    if (v)
        vthr_say(what, name, ": ", vthr_utoa(v, num), NULL);
}

#define SUM(field)                                        \
    ({                                                    \
        uint64_t s_ = 0;                                  \
        for (unsigned i_ = 0; i_ < vthr_nprocs; i_++)     \
            s_ += load_relaxed(&vthr_procs[i_].field); \
        s_;                                               \
    })

/* Stacks: what the address space holds of them, and how many of their pages have memory.  Of many, some are looked at. */
struct stacks {
    uint64_t n, bytes, looked_at, resident;
    unsigned step;
};

static void count_resident(struct stacks *s, const struct vthread *v)
{
    static unsigned char in[STACK_PAGES];
    uintptr_t lo = (uintptr_t)v->stack_lo, hi = (uintptr_t)v->stack_lo + v->stack_size;

    for (lo &= ~(PAGE - 1); lo < hi; lo += STACK_PAGES * PAGE) {
        size_t len = hi - lo < STACK_PAGES * PAGE ? hi - lo : STACK_PAGES * PAGE;

        if (SYS3(SYS_mincore, lo, len, in))
            continue;
        for (size_t i = 0; i < (len + PAGE - 1) / PAGE; i++)
            s->resident += in[i] & 1 ? PAGE : 0;
    }
    s->looked_at++;
}

static struct stacks count_stacks(void)
{
    uint32_t n = shell_count();
    struct stacks s = { .step = n / LOOKED_AT + 1 };

    for (uint32_t i = 0; i < n; i++) {
        struct vthread *v = load_acquire(&vthr_registry[i]);

        if (!v || v->user_stack)
            continue;
        s.bytes += v->stack_size + v->guard_size;
        if (s.n++ % s.step == 0)
            count_resident(&s, v);
    }
    return s;
}

static void print_stacks(void)
{
    struct stacks s = count_stacks();

    line("stacks", s.n);
    line("stacks' address space, KiB", s.bytes >> 10);
    line(s.step > 1 ? "stacks' memory, KiB (estimated)" : "stacks' memory, KiB",
         s.looked_at ? s.resident / s.looked_at * s.n >> 10 : 0);
}

static void print_pollers(void)
{
    line("polls", SUM(count.polls));
    line("pollers' epoll_wait", SUM(poller.count.looks));
    line("pollers' epoll_ctl, at most", SUM(poller.count.changes));
    line("pollers' sleeps", SUM(poller.count.sleeps));
    line("pollers' wakeups by eventfd", SUM(poller.count.wakeups));
    line("pollers' sleeps with a deadline", SUM(poller.count.armings));
    line("pollers' sleeps until it", SUM(poller.count.timeouts));
}

static void print_timers(void)
{
    line("timers set", SUM(timers.added));
    line("timers expired", SUM(timers.fired));
    line("timers pending", SUM(timers.n));
    line("timers pending at most", SUM(timers.most)); /* of each processor's heap */
}

static void print(void)
{
    if (!vthr_active)
        return;
    line("processors", vthr_nprocs);
    line("kernel threads of carriers", carrier_count());
    line("live vthreads", load_relaxed(&vthr_nlive));
    line("shells", shell_count());
    line("spawns", SUM(count.spawns));
    line("switches", SUM(count.switches));
    line("parks", SUM(count.parks));
    for (unsigned k = 0; k < WAIT_KINDS; k++)
        line_for("parks for ", vthr_debug.waits[k].name, SUM(count.parks_for[k]));
    line("wakes", SUM(count.wakes));
    line("wakes by those that go on", SUM(count.early));
    line("steals", SUM(count.steals));
    line("handoffs of blocked carriers", SUM(count.handoffs[HANDOFF_BLOCKED]));
    line("handoffs announced", SUM(count.handoffs[HANDOFF_ANNOUNCED]));
    line("handoffs of computing carriers", SUM(count.handoffs[HANDOFF_COMPUTING]));
    if (arch_tp_traps())
        line("thread pointers mended", arch_tp_trap_count());
    print_pollers();
    print_timers();
    print_stacks();
}

void stats_at_exit(void)
{
    static bool registered;

    if (!vthr_config.stats || registered)
        return;
    registered = true;
    atexit(print);
}
