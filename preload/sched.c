/* Scheduling attributes by thread number.  A vthread's number is none of the kernel's: what is asked of it is answered with what holds
 * for the caller's OS thread, and what is asked for is judged and not applied, as by the pthread functions (pthread_thread.c). */
#include "preload/hook.h"

/* The vthread of a number that the kernel does not know; the main thread's is the process's. */
static struct vthread *numbered(pid_t tid)
{
    struct vthread *v = vthr_active && (uint32_t)tid > VTHR_TID_BASE ? vthread_by_tid((uint32_t)tid) : NULL;

    return v && load_acquire(&v->life) == VT_LIVE ? v : NULL;
}
static pid_t known_to_kernel(pid_t tid)
{
    return numbered(tid) ? 0 : tid;
}
static int judged(int error)
{
    return (int)posix(-error);
}

HOOK int sched_getaffinity(pid_t tid, size_t size, cpu_set_t *set)
{
    return REAL(sched_getaffinity)(known_to_kernel(tid), size, set);
}
HOOK int sched_setaffinity(pid_t tid, size_t size, const cpu_set_t *set)
{
    struct vthread *v = numbered(tid);

    return v ? judged(pthread_setaffinity_np((pthread_t)v->pd, size, set)) : REAL(sched_setaffinity)(tid, size, set);
}
HOOK int sched_getscheduler(pid_t tid)
{
    return REAL(sched_getscheduler)(known_to_kernel(tid));
}
HOOK int sched_setscheduler(pid_t tid, int policy, const struct sched_param *param)
{
    struct vthread *v = numbered(tid);

    return v ? judged(pthread_setschedparam((pthread_t)v->pd, policy, param)) : REAL(sched_setscheduler)(tid, policy, param);
}
HOOK int sched_getparam(pid_t tid, struct sched_param *param)
{
    return REAL(sched_getparam)(known_to_kernel(tid), param);
}
HOOK int sched_setparam(pid_t tid, const struct sched_param *param)
{
    struct vthread *v = numbered(tid);

    return v ? judged(pthread_setschedprio((pthread_t)v->pd, param->sched_priority)) : REAL(sched_setparam)(tid, param);
}
HOOK int sched_rr_get_interval(pid_t tid, struct timespec *t)
{
    return REAL(sched_rr_get_interval)(known_to_kernel(tid), t);
}
HOOK int getpriority(__priority_which_t which, id_t who)
{
    return REAL(getpriority)(which, which == PRIO_PROCESS ? (id_t)known_to_kernel((pid_t)who) : who);
}
HOOK int setpriority(__priority_which_t which, id_t who, int nice)
{
    return which == PRIO_PROCESS && numbered((pid_t)who) ? 0 : REAL(setpriority)(which, who, nice);
}
