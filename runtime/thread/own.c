/* Properties of an OS thread: policy and priority, affinity, the nice value, capabilities, namespaces, seccomp filters, being a tracer.
 *
 * A vthread that sets one for itself keeps the OS thread that it is on, for life (sched/bound.c), if the call succeeds; so it is the kernel that
 * judges, and nothing changes where it refuses.  From then on it `owns`: before the call the OS thread has given its processor away and
 * all processors have owners, because a carrier that it started would get the same properties; and threads that it makes are made by it, on OS
 * threads of their own, which get them, as natively.
 *
 * For another vthread, which may be parked or run elsewhere, an OS thread is started and given the property; the vthread goes there when it
 * attends next.  So the answer is the kernel's and comes at once, and who asks is told what will hold for every instruction from there on.
 *
 * To set what holds already changes nothing: many programs set the ordinary policy, or all CPUs. */
#include "runtime/thread/own.h"
#include "runtime/base/ksig.h"
#include "runtime/base/lock.h"
#include "runtime/sched/sched.h"
#include "runtime/thread/signal.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>

#define SET_WORDS 128 /* of the longest affinity mask that the kernel has */

bool own_begin(struct vthread *v)
{
    bound_stay(v);
    if (bound_shares_main(v)) {
        bound_release(v);
        rt_unhold(v);
        return false;
    }
    if (!v->owns)
        bound_give_up_proc(v);
    return true;
}

void own_end(struct vthread *v, bool changed)
{
    if (changed)
        v->owns = v->bound_life = true;
    bound_release(v);
    rt_unhold(v);
}

long own_call(struct vthread *v, long nr, const long *a)
{
    long r;

    if (!own_begin(v))
        return -EAGAIN;
    r = SYS6(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
    own_end(v, r >= 0);
    return r;
}

/* --- By number --- */

static int os_tid(const struct vthread *of)
{
    const struct carrier *c = load_acquire(&of->reserve);

    return c ? load_relaxed(&c->tid) : bound_os_tid(of);
}

int own_ask(struct vthread *of)
{
    const struct vthread *self = vthr_self;
    int tid = os_tid(of);

    if (tid || of == self)
        return tid; /* 0: the caller's */
    if (of == &vthr_main)
        return (int)of->tid;
    return self && !self->owns ? 0 : monitor_tid();
}

static bool same_cpus(int tid, const unsigned long *want, size_t size)
{
    unsigned long have[SET_WORDS] = { 0 };
    long n = SYS3(SYS_sched_getaffinity, tid, sizeof have, have);

    if (n < 0 || bad_address(want))
        return false;
    for (size_t i = 0; i < sizeof have; i++) {
        unsigned char w = i < size ? ((const unsigned char *)want)[i] : 0;

        if (w != ((const unsigned char *)have)[i])
            return false;
    }
    return size <= sizeof have;
}

static bool same_priority(int tid, const struct sched_param *want)
{
    struct sched_param have;

    return !bad_address(want) && SYS2(SYS_sched_getparam, tid, &have) == 0 && have.sched_priority == want->sched_priority;
}

/* linux/sched/types.h, first version */
struct attr {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t rest[3];
};

static bool same_attr(int tid, const struct attr *want)
{
    struct attr have = { .size = sizeof have };

    return !bad_address(want) && SYS4(SYS_sched_getattr, tid, &have, sizeof have, 0) == 0 && want->policy <= SCHED_IDLE &&
           want->policy == have.policy && want->flags == have.flags && want->nice == have.nice && want->priority == have.priority;
}

static bool holds_already(int tid, long nr, const long *a)
{
    switch (nr) {
    case SYS_sched_setaffinity:
        return same_cpus(tid, (const unsigned long *)a[2], (size_t)a[1]);
    case SYS_sched_setscheduler:
        return SYS1(SYS_sched_getscheduler, tid) == a[1] && same_priority(tid, (const struct sched_param *)a[2]);
    case SYS_sched_setparam:
        return same_priority(tid, (const struct sched_param *)a[1]);
    case SYS_sched_setattr:
        return same_attr(tid, (const struct attr *)a[1]);
    case SYS_setpriority:
        return SYS2(SYS_getpriority, PRIO_PROCESS, tid) == 20 - a[2];
    }
    return false;
}

/* The OS thread's nudge makes one that runs attend; one that is parked does so when it goes on. */
static void make_attend(struct vthread *of)
{
    struct carrier *c;

    __atomic_store_n(&of->attention, 1, __ATOMIC_SEQ_CST);
    c = load_acquire(&of->carrier);
    if (c && !__atomic_exchange_n(&c->nudged, 1u, __ATOMIC_SEQ_CST) &&
        SYS3(SYS_tgkill, SYS0(SYS_getpid), c->tid, SIG_NUDGE) < 0)
        store_release(&c->nudged, 0u);
}

/* c is of's, unless another was faster: then to that one belongs what is set. */
static struct carrier *publish(struct vthread *of, struct carrier *c)
{
    struct carrier *none = NULL;

    if (bound_os_tid(of) || !cas_acq_rel(&of->reserve, &none, c))
        return none;
    fence_seq_cst();
    if (load_relaxed(&of->sig_closed)) { /* it ends: see own_ended */
        c = xchg_acq_rel(&of->reserve, NULL);
        if (c)
            bound_unreserve(c);
    } else {
        make_attend(of);
    }
    return c;
}

void own_ended(struct vthread *v)
{
    struct carrier *c;

    fence_seq_cst();
    c = load_relaxed(&v->reserve) ? xchg_acq_rel(&v->reserve, NULL) : NULL;
    if (c)
        bound_unreserve(c);
}

static long set_on(int tid, long nr, const long *args, unsigned i)
{
    long a[6];

    memcpy(a, args, sizeof a);
    a[i] = tid;
    return SYS6(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static long set_on_new(struct vthread *of, long nr, const long *args, unsigned i)
{
    struct vthread *self = vthr_self;
    struct carrier *c;
    long r = -EAGAIN;
    int tid = 0;

    rt_hold(self);
    bound_start_procs();
    c = bound_reserve();
    if (c)
        r = set_on(c->tid, nr, args, i);
    if (c && (r < 0 || publish(of, c) != c)) {
        bound_unreserve(c);
        tid = r < 0 ? 0 : os_tid(of);
    }
    rt_unhold(self);
    return tid ? set_on(tid, nr, args, i) : r;
}

long own_set(struct vthread *of, long nr, const long *args, unsigned i)
{
    struct vthread *self = vthr_self;
    long a[6];
    int tid;

    if (of == self && !self->owns) {
        if (holds_already(0, nr, args))
            return 0;
        memcpy(a, args, sizeof a);
        a[i] = 0;
        return own_call(self, nr, a);
    }
    tid = of == self ? 0 : os_tid(of);
    if (of == self || tid)
        return set_on(tid, nr, args, i);
    return holds_already(own_ask(of), nr, args) ? 0 : set_on_new(of, nr, args, i);
}

int own_tid(struct vthread *of)
{
    struct vthread *self = vthr_self;
    int tid = os_tid(of);
    struct carrier *c;

    if (tid)
        return tid;
    if (of == self)
        return bound_for_life(of) == 0 ? bound_os_tid(of) : 0;
    rt_hold(self);
    c = bound_reserve();
    if (c && publish(of, c) != c)
        bound_unreserve(c);
    rt_unhold(self);
    return os_tid(of);
}

/* --- New ones --- */

void own_read_attr(const pthread_attr_t *attr, struct own_wishes *w)
{
    struct sched_param param;
    int inherit = PTHREAD_INHERIT_SCHED;

    memset(w, 0, sizeof *w);
    pthread_attr_getinheritsched(attr, &inherit);
    if (inherit == PTHREAD_EXPLICIT_SCHED) {
        w->policy_given = pthread_attr_getschedpolicy(attr, &w->policy) == 0 && pthread_attr_getschedparam(attr, &param) == 0;
        w->priority = w->policy_given ? param.sched_priority : 0;
    }
    if (pthread_attr_getaffinity_np(attr, sizeof w->cpus, (cpu_set_t *)w->cpus))
        return;
    for (size_t i = 0; i < sizeof w->cpus && !w->affinity; i++)
        w->affinity = w->cpus[i] != 0xff; /* all ones: none was set */
}

static long apply(int tid, const struct own_wishes *w, long (*each)(int, long, const long *))
{
    struct sched_param param = { .sched_priority = w->priority };
    long cpus[6] = { tid, sizeof w->cpus, (long)w->cpus }, sched[6] = { tid, w->policy, (long)&param };
    long r = 0;

    if (w->affinity)
        r = each(tid, SYS_sched_setaffinity, cpus);
    if (r >= 0 && w->policy_given)
        r = each(tid, SYS_sched_setscheduler, sched);
    return r;
}

static long compare(int tid, long nr, const long *a)
{
    return holds_already(tid, nr, a) ? 0 : -1;
}
static long really_set(int tid, long nr, const long *a)
{
    return set_on(tid, nr, a, 0);
}

bool own_has(const struct vthread *self, const struct own_wishes *w)
{
    return (!w->affinity && !w->policy_given) || apply(self ? 0 : monitor_tid(), w, compare) >= 0;
}

int own_prepare(int tid, void *arg)
{
    long r = apply(tid, arg, really_set);

    return r < 0 ? (int)r : 0;
}
