/* Signals of timers that are for one thread.
 *
 * A timer made for a vthread (SIGEV_THREAD_ID): the kernel does not know its number, so it gets a timer whose signal is for the
 * process, and here is noted whom it is for; so does one that is made before there are threads.  `targets` has an entry for each number of a timer that ever was for a thread; entries
 * are never freed, and a timer that gets the number again sets it anew.
 *
 * Timers of CPU time (SIGPROF, SIGVTALRM): the kernel sends them to the thread that used it, if it can.  The receiver picks the
 * vthread whose OS thread used most since it was picked last. */
#include "runtime/base/lock.h"
#include "runtime/mem/slab.h"
#include "runtime/sched/sched.h"
#include "runtime/thread/signal_parts.h"
#include "runtime/thread/thread.h"
#include <errno.h>
#include <time.h>

struct target {
    struct target *next;
    int timer;
    uint32_t tid; /* 0: the process */
};
static struct target *targets; /* atomic; only grows */
static struct vthr_lock lk = VTHR_LOCK_INIT(RANK_FDTAB);

static struct target *target_of(int timer)
{
    struct target *t = load_acquire(&targets);

    while (t && t->timer != timer)
        t = t->next;
    return t;
}

uint32_t signal_timer_event(const struct sigevent *event, struct sigevent *kernel)
{
    uint32_t tid = event->sigev_notify == SIGEV_THREAD_ID ? (uint32_t)event->_sigev_un._tid : 0;
    struct vthread *v = tid && vthr_active ? vthread_by_tid(tid) : NULL;

    /* The only thread will be the main one of many, on whatever OS thread. */
    if (!tid || (vthr_active ? !v || load_acquire(&v->life) != VT_LIVE : !vthr_may_activate() || tid != (uint32_t)SYS0(SYS_getpid)))
        return 0;
    *kernel = *event;
    kernel->sigev_notify = SIGEV_SIGNAL;
    return tid;
}

void signal_timer_made(int timer, uint32_t tid)
{
    struct vthread *self = vthr_self;
    struct target *t;

    rt_hold(self);
    lock(&lk);
    t = target_of(timer);
    if (!t && tid && (t = meta_alloc(sizeof *t))) {
        t->timer = timer;
        t->next = targets;
        store_relaxed(&t->tid, tid);
        store_release(&targets, t);
    } else if (t) {
        store_release(&t->tid, tid);
    }
    unlock(&lk);
    rt_unhold(self);
}

bool sig_timer_post(const siginfo_t *info)
{
    struct target *t = info->si_code == SI_TIMER ? target_of(info->si_timerid) : NULL;
    uint32_t tid = t ? load_acquire(&t->tid) : 0;
    struct vthread *v = tid ? vthread_by_tid(tid) : NULL;

    if (v && sig_post(v, info->si_signo, info) == 0)
        signal_nudge(v);
    return tid != 0; /* one for a thread that has ended is for nobody */
}

/* --- CPU time --- */

struct user {
    struct vthread *v;
    struct carrier *c;
    uint64_t bit, used, cpu;
};

/* What is read here may be old, but is mapped: at worst another vthread is picked. */
static void look_at(struct carrier *c, void *arg)
{
    struct vthread *v = load_acquire(&c->cur);
    struct user *most = arg;
    struct timespec ts;
    uint64_t cpu;

    if (!v || (load_relaxed(&v->sigmask) & most->bit) || SYS2(SYS_clock_gettime, (clockid_t)(~(unsigned)c->tid << 3 | 6), &ts) < 0)
        return;
    cpu = (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
    if (cpu < c->profiled)
        c->profiled = 0; /* of an OS thread that had the descriptor before */
    if (!most->v || cpu - c->profiled > most->used)
        *most = (struct user){ v, c, most->bit, cpu - c->profiled, cpu };
}

struct vthread *sig_cpu_user(const siginfo_t *info)
{
    struct user most = { .bit = SIGBIT(info->si_signo) };

    if ((info->si_signo != SIGPROF && info->si_signo != SIGVTALRM) || info->si_code != SI_KERNEL)
        return NULL;
    carrier_each(look_at, &most);
    if (most.v)
        most.c->profiled = most.cpu;
    return most.v;
}

void sig_timers_reset_child(void)
{
    lock_init(&lk, RANK_FDTAB);
    targets = NULL; /* a child has no timers */
}
