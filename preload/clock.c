/* Clocks of CPU time, and what a thread has used: see runtime/sched/usage.h.
 *
 * A thread's clock has its number, complemented, above three bits: 4 says that it is a thread's, 2 that it counts all (glibc's
 * pthread_getcpuclockid, Linux's include/linux/posix-timers_types.h).  Numbers of vthreads fit in. */
#include "preload/hook.h"

static bool of_thread(clockid_t clk)
{
    return clk == CLOCK_THREAD_CPUTIME_ID || (clk < 0 && (clk & 7) == 6);
}

/* The vthread whose clock it is.  NULL: it is the kernel's business. */
static struct vthread *owner(clockid_t clk)
{
    uint32_t tid = clk < 0 ? ~(uint32_t)(clk >> 3) : 0;
    struct vthread *v = tid ? vthread_by_tid(tid) : vthr_self;

    return v && load_acquire(&v->life) == VT_LIVE ? v : NULL;
}

static VTHR_NOINLINE int thread_clock(clockid_t clk, struct timespec *t)
{
    struct vthread *v = vthr_active ? owner(clk) : NULL;
    uint64_t ns;

    if (!v || bad_address(t)) {
        usage_begin(USAGE_CPU); /* it will be a thread's that asks again */
        return REAL(clock_gettime)(clk, t);
    }
    ns = usage_cpu(v);
    t->tv_sec = (time_t)(ns / NSEC_PER_SEC);
    t->tv_nsec = (long)(ns % NSEC_PER_SEC);
    return 0;
}

clockid_t clock_for_timer(clockid_t clk)
{
    struct vthread *v = of_thread(clk) && vthr_active && vthr_parkable() ? owner(clk) : NULL;
    int tid = v ? own_tid(v) : 0;

    return tid ? (clockid_t)(~(unsigned)tid << 3 | 6) : clk;
}

HOOK VTHR_EARLY int clock_gettime(clockid_t clk, struct timespec *t)
{
    return likely(!of_thread(clk)) ? REAL(clock_gettime)(clk, t) : thread_clock(clk, t);
}
HOOK int clock_getres(clockid_t clk, struct timespec *t)
{
    bool ours = clk < 0 && of_thread(clk) && vthr_active && owner(clk);

    return REAL(clock_getres)(ours ? CLOCK_THREAD_CPUTIME_ID : clk, t);
}
HOOK int getrusage(__rusage_who_t who, struct rusage *ru)
{
    struct vthread *v = vthr_self;

    if (who != RUSAGE_THREAD || !v || bad_address(ru))
        return REAL(getrusage)(who, ru);
    return (int)posix(usage_all(v, ru));
}
