/* Sleeping and yielding. */
#include "preload/hook.h"

HOOK int nanosleep(const struct timespec *t, struct timespec *left)
{
    struct vthread *v = vthr_parkable();

    return v ? (int)posix(io_sleep(v, CLOCK_REALTIME, false, t, left)) : REAL(nanosleep)(t, left);
}
HOOK int __nanosleep(const struct timespec *, struct timespec *) ALIAS(nanosleep);
HOOK int clock_nanosleep(clockid_t clk, int flags, const struct timespec *t, struct timespec *left)
{
    struct vthread *v = vthr_parkable();

    if (!v)
        return REAL(clock_nanosleep)(clk, flags, t, left);
    if (clk == CLOCK_THREAD_CPUTIME_ID)
        return EINVAL;
    return (int)-io_sleep(v, clk, flags & TIMER_ABSTIME, t, left);
}
HOOK int usleep(useconds_t us)
{
    struct vthread *v = vthr_parkable();
    struct timespec t = { us / 1000000, us % 1000000 * 1000l };

    return v ? (int)posix(io_sleep(v, CLOCK_REALTIME, false, &t, NULL)) : REAL(usleep)(us);
}
HOOK unsigned sleep(unsigned s)
{
    struct vthread *v = vthr_parkable();
    struct timespec t = { s, 0 }, left = { 0, 0 };

    if (!v)
        return REAL(sleep)(s);
    switch (io_sleep(v, CLOCK_REALTIME, false, &t, &left)) {
    case -ECANCELED:
        errno = ECANCELED;
        return left.tv_sec ? (unsigned)left.tv_sec : 1; /* it was cut short, however little */
    case -EINTR:
        return (unsigned)left.tv_sec + (left.tv_nsec >= 500000000);
    default:
        return 0;
    }
}
HOOK int sched_yield(void)
{
    struct vthread *v = vthr_parkable();

    if (!v)
        return REAL(sched_yield)();
    io_yield(v);
    return 0;
}
/* pthread.h redirects the name pthread_yield to sched_yield, so it is given to another function here. */
HOOK int old_pthread_yield(void) __asm__("pthread_yield");
int old_pthread_yield(void)
{
    return sched_yield();
}
