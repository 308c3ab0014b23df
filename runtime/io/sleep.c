/* Sleeping and yielding. */
#include "runtime/io/blocking.h"
#include "runtime/io/io.h"
#include "runtime/sched/sched.h"
#include "runtime/sync/deadline.h"
#include "runtime/thread/cancel.h"
#include "runtime/thread/signal.h"
#include <errno.h>

/* A sleep to a point of CLOCK_REALTIME looks at that clock again this often: it may be set while we sleep. */
#define RECHECK_NS NSEC_PER_SEC

static bool can_park(clockid_t clk)
{
    return clk == CLOCK_REALTIME || clk == CLOCK_MONOTONIC || clk == CLOCK_BOOTTIME || clk == CLOCK_TAI;
}

static long native_sleep(struct vthread *v, clockid_t clk, bool absolute, const struct timespec *t, struct timespec *left)
{
    return BLOCKING(v, true, false, SYS_clock_nanosleep, clk, absolute ? TIMER_ABSTIME : 0, t, left, 0, 0);
}

static enum wake_reason park_until(struct vthread *v, uint64_t deadline)
{
    enum wake_reason r;

    rt_enter(v);
    waiter_prepare_alone(&v->w, wait_on(WAIT_SLEEP, NULL));
    v->cancellable = STOP_POINT;
    v->intr = SIG_RAN_ANY;
    r = waiter_park(&v->w, deadline);
    v->intr = 0;
    v->cancellable = 0;
    rt_leave(v);
    return r;
}

long io_sleep(struct vthread *v, clockid_t clk, bool absolute, const struct timespec *t, struct timespec *left)
{
    uint64_t end = 0;
    bool parked = false;

    cancel_point(v);
    if (!can_park(clk))
        return native_sleep(v, clk, absolute, t, left);
    if (bad_address(t))
        return -EFAULT;
    if (!ts_valid(t) || (!absolute && t->tv_sec < 0))
        return -EINVAL;
    if (!absolute)
        end = deadline_after(t);
    v->sig_ran = 0;
    for (;;) {
        uint64_t d = absolute ? deadline_at(clk, t) : end, now = now_ns();

        if (d <= now) {
            if (!parked) /* however short, a sleep lets others run: loops of them are written with that in mind */
                io_yield(v);
            return 0;
        }
        if (absolute && clk != CLOCK_MONOTONIC && d - now > RECHECK_NS)
            d = now + RECHECK_NS;
        park_until(v, d);
        parked = true;
        cancel_point(v);
        if (!v->sig_ran && !cancel_stopped(v))
            continue;
        if (left && !absolute) {
            now = now_ns();
            d = end > now ? end - now : 0;
            left->tv_sec = (time_t)(d / NSEC_PER_SEC);
            left->tv_nsec = (long)(d % NSEC_PER_SEC);
        }
        return v->sig_ran ? -EINTR : -ECANCELED;
    }
}

void io_yield(struct vthread *v)
{
    bool ran;

    rt_enter(v);
    ran = sched_yield_now(v);
    rt_leave(v);
    /* Nobody else here: those who hold an OS thread of their own may want the CPU. */
    if (!ran)
        SYS0(SYS_sched_yield);
}
