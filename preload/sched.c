/* Policy, priority, affinity, the nice value, by handle or by number: see runtime/thread/own.c. */
#include "preload/hook.h"

static struct vthread *live(struct vthread *v)
{
    return v && load_acquire(&v->life) == VT_LIVE ? v : NULL;
}
static struct vthread *numbered(pid_t tid)
{
    return vthr_active && tid > 0 ? live(vthread_by_tid((uint32_t)tid)) : NULL;
}
static struct vthread *handled(pthread_t th)
{
    return vthr_active ? thread_of(th) : NULL;
}
static pid_t asked(pid_t tid)
{
    struct vthread *v = numbered(tid);

    return v ? own_ask(v) : tid;
}

long own_by_number(struct vthread *v, long nr, const long *a, unsigned i)
{
    struct vthread *of = a[i] == 0 ? v : numbered((pid_t)a[i]);

    return posix(of ? own_set(of, nr, a, i) : SYS6(nr, a[0], a[1], a[2], a[3], a[4], a[5]));
}

/* In a process without threads, and for threads that are none of ours, the call is libc's. */
#define SET(real, who, nr, i, ...)                                              \
    ({                                                                          \
        struct vthread *v_ = vthr_parkable();                                            \
        const long a_[6] = { __VA_ARGS__ };                                     \
        v_ || numbered(who) ? (int)own_by_number(v_, nr, a_, i) : (real);       \
    })

HOOK int sched_getaffinity(pid_t tid, size_t size, cpu_set_t *set)
{
    return REAL(sched_getaffinity)(asked(tid), size, set);
}
HOOK int sched_setaffinity(pid_t tid, size_t size, const cpu_set_t *set)
{
    return SET(REAL(sched_setaffinity)(tid, size, set), tid, SYS_sched_setaffinity, 0, tid, (long)size, (long)set);
}
HOOK int sched_getscheduler(pid_t tid)
{
    return REAL(sched_getscheduler)(asked(tid));
}
HOOK int sched_setscheduler(pid_t tid, int policy, const struct sched_param *param)
{
    return SET(REAL(sched_setscheduler)(tid, policy, param), tid, SYS_sched_setscheduler, 0, tid, policy, (long)param);
}
HOOK int sched_getparam(pid_t tid, struct sched_param *param)
{
    return REAL(sched_getparam)(asked(tid), param);
}
HOOK int sched_setparam(pid_t tid, const struct sched_param *param)
{
    return SET(REAL(sched_setparam)(tid, param), tid, SYS_sched_setparam, 0, tid, (long)param);
}
HOOK int sched_rr_get_interval(pid_t tid, struct timespec *t)
{
    return REAL(sched_rr_get_interval)(asked(tid), t);
}
HOOK int getpriority(__priority_which_t which, id_t who)
{
    return REAL(getpriority)(which, which == PRIO_PROCESS ? (id_t)asked((pid_t)who) : who);
}
HOOK int setpriority(__priority_which_t which, id_t who, int value)
{
    if (which != PRIO_PROCESS)
        return REAL(setpriority)(which, who, value);
    return SET(REAL(setpriority)(which, who, value), (pid_t)who, SYS_setpriority, 1, (long)which, (long)who, value);
}
/* As libc's: the new value, which may be -1. */
HOOK int nice(int by)
{
    int was, e = errno;

    if (!vthr_parkable())
        return REAL(nice)(by);
    errno = 0;
    was = getpriority(PRIO_PROCESS, 0);
    if (was == -1 && errno)
        return -1;
    if (setpriority(PRIO_PROCESS, 0, was + by)) {
        if (errno == EACCES)
            errno = EPERM;
        return -1;
    }
    errno = e;
    return getpriority(PRIO_PROCESS, 0);
}

/* --- By handle: an errno value is returned --- */

static int set(struct vthread *v, long nr, long a1, long a2)
{
    const long a[6] = { 0, a1, a2 };
    long r = live(v) ? own_set(v, nr, a, 0) : -ESRCH;

    return r < 0 ? (int)-r : 0;
}

HOOK int pthread_getaffinity_np(pthread_t th, size_t size, cpu_set_t *set)
{
    struct vthread *v = handled(th);
    int e = errno, r;

    if (!v)
        return REAL(pthread_getaffinity_np)(th, size, set);
    r = !live(v) ? ESRCH : REAL(sched_getaffinity)(own_ask(v), size, set) == 0 ? 0 : errno;
    errno = e;
    return r;
}
HOOK int pthread_setaffinity_np(pthread_t th, size_t size, const cpu_set_t *cpus)
{
    struct vthread *v = handled(th);

    return v ? set(v, SYS_sched_setaffinity, (long)size, (long)cpus) : REAL(pthread_setaffinity_np)(th, size, cpus);
}
HOOK int pthread_getschedparam(pthread_t th, int *policy, struct sched_param *param)
{
    struct vthread *v = handled(th);
    int e = errno, r = 0;

    if (!v)
        return REAL(pthread_getschedparam)(th, policy, param);
    if (!live(v))
        return ESRCH;
    *policy = REAL(sched_getscheduler)(own_ask(v));
    if (*policy < 0 || REAL(sched_getparam)(own_ask(v), param))
        r = errno;
    errno = e;
    return r;
}
HOOK int pthread_setschedparam(pthread_t th, int policy, const struct sched_param *param)
{
    struct vthread *v = handled(th);

    return v ? set(v, SYS_sched_setscheduler, policy, (long)param) : REAL(pthread_setschedparam)(th, policy, param);
}
HOOK int pthread_setschedprio(pthread_t th, int prio)
{
    struct vthread *v = handled(th);
    struct sched_param param = { .sched_priority = prio };

    return v ? set(v, SYS_sched_setparam, (long)&param, 0) : REAL(pthread_setschedprio)(th, prio);
}
