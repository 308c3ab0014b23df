/* See limit.h.  A thread counts until it has left its stack for good, and is uncounted before its joiners are woken: who joined one can
 * make the next.  Creators that wait do so in the parking lot, at the counter. */
#include "runtime/thread/limit.h"
#include "runtime/base/options.h"
#include "runtime/sched/lot.h"
#include <errno.h>

static uint32_t n_threads;

int limit_enter(void)
{
    uint32_t max = vthr_config.max_threads, n = load_relaxed(&n_threads);

    if (likely(!max))
        return 0;
    for (;;) {
        while (n < max)
            if (cas_acq_rel(&n_threads, &n, n + 1))
                return 0;
        if (!vthr_config.max_wait)
            return EAGAIN;
        if (lot_wait_ends(&n_threads, n, NO_DEADLINE, ~0u, LOT_ENDS(STOP_WAIT), wait_on(WAIT_PLACE, &n_threads)) == -EINTR &&
            lot_stopped(LOT_ENDS(STOP_WAIT)))
            return ECANCELED;
        n = load_relaxed(&n_threads);
    }
}

void limit_leave(void)
{
    if (likely(!vthr_config.max_threads))
        return;
    fetch_sub_acq_rel(&n_threads, 1u);
    if (vthr_config.max_wait)
        lot_wake(&n_threads, 1);
}

void limit_reset_child(void)
{
    n_threads = 0;
}
