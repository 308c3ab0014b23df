#include "runtime/diag/stats.h"
#include "runtime/base/options.h"
#include "runtime/base/panic.h"
#include "runtime/sched/sched.h"
#include "runtime/sched/shell.h"
#include <stdlib.h>

static void line(const char *name, uint64_t v)
{
    char num[24];

    vthr_say(name, ": ", vthr_utoa(v, num), NULL);
}

#define SUM(field)                                        \
    ({                                                    \
        uint64_t s_ = 0;                                  \
        for (unsigned i_ = 0; i_ < vthr_nprocs; i_++)     \
            s_ += load_relaxed(&vthr_procs[i_].count.field); \
        s_;                                               \
    })

static void print(void)
{
    if (!vthr_active)
        return;
    line("processors", vthr_nprocs);
    line("kernel threads of carriers", carrier_count());
    line("live vthreads", load_relaxed(&vthr_nlive));
    line("shells", shell_count());
    line("spawns", SUM(spawns));
    line("switches", SUM(switches));
    line("parks", SUM(parks));
    line("wakes", SUM(wakes));
    line("steals", SUM(steals));
    line("polls", SUM(polls));
    if (arch_tp_traps())
        line("thread pointers mended", arch_tp_trap_count());
    line("handoffs of blocked carriers", SUM(handoffs[HANDOFF_BLOCKED]));
    line("handoffs announced", SUM(handoffs[HANDOFF_ANNOUNCED]));
    line("handoffs of computing carriers", SUM(handoffs[HANDOFF_COMPUTING]));
}

void stats_at_exit(void)
{
    static bool registered;

    if (!vthr_config.stats || registered)
        return;
    registered = true;
    atexit(print);
}
