/* Turning the program's timeouts into deadlines on CLOCK_MONOTONIC. */
#pragma once
#include "runtime/base/sys.h"
#include <errno.h>

/* What would else spin in a cancelled scope waits for so long first: cond.c. */
#define STOPPED_WAIT_NS 1000000ull

static inline bool ts_valid(const struct timespec *ts)
{
    return ts->tv_nsec >= 0 && ts->tv_nsec < (long)NSEC_PER_SEC;
}
/* Relative; saturates below NO_DEADLINE. */
static inline uint64_t deadline_after(const struct timespec *ts)
{
    uint64_t now = now_ns();

    if (ts->tv_sec > 1000000000ll) /* thirty years */
        return NO_DEADLINE - 1;
    return now + (uint64_t)ts->tv_sec * NSEC_PER_SEC + (uint64_t)ts->tv_nsec;
}
/* Absolute on `clk`.  0: already past.  A clock other than CLOCK_MONOTONIC may be set meanwhile: check again on waking. */
static inline uint64_t deadline_at(clockid_t clk, const struct timespec *abs)
{
    struct timespec now, left;

    if (abs->tv_sec < 0)
        return 0;
    clock_gettime(clk, &now);
    left.tv_sec = abs->tv_sec - now.tv_sec;
    left.tv_nsec = abs->tv_nsec - now.tv_nsec;
    if (left.tv_nsec < 0) {
        left.tv_nsec += (long)NSEC_PER_SEC;
        left.tv_sec--;
    }
    if (left.tv_sec < 0)
        return 0;
    return deadline_after(&left);
}
