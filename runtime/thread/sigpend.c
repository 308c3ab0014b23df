/* Pending signals of vthreads, and who makes them so: see signal.c.
 *
 * Items lie in their vthread's list, oldest first; `sigpending` has a bit for each signal in it.  `lk` protects the items of all vthreads and
 * the free ones; the bits are read without it. */
#include "runtime/base/lock.h"
#include "runtime/mem/slab.h"
#include "runtime/sched/sched.h"
#include "runtime/thread/signal_parts.h"
#include <errno.h>
#include <string.h>

struct sig_queue { /* one pending signal of a vthread */
    struct sig_queue *next;
    bool shared; /* sent to the process */
    siginfo_t info;
};

static struct vthr_lock lk = VTHR_LOCK_INIT(RANK_SIGNAL);
static struct sig_queue *free_items; /* protected by lk */

/* --- Posting --- */

static struct sig_queue *item_get(void)
{
    struct sig_queue *q = free_items;

    if (q)
        free_items = q->next;
    else
        q = meta_alloc(sizeof *q);
    return q;
}

void signal_nudge(struct vthread *v)
{
    struct vthread *self;
    struct carrier *c;
    uint64_t w;

    __atomic_store_n(&v->attention, 1, __ATOMIC_SEQ_CST);
    self = wake_enter();
    w = load_acquire(&v->w.word);
    if (!waiter_wake(&v->w, w >> 3, W_INTR)) {
        c = load_acquire(&v->carrier);
        if (c && v != vthr_self && !__atomic_exchange_n(&c->nudged, 1u, __ATOMIC_SEQ_CST) &&
            SYS3(SYS_tgkill, SYS0(SYS_getpid), c->tid, SIG_NUDGE) < 0)
            store_release(&c->nudged, 0u);
    }
    wake_leave(self);
}

/* lk held. */
static int enqueue(struct vthread *v, int sig, const siginfo_t *info, bool shared)
{
    bool realtime = sig >= 34;
    struct sig_queue *q, **tail;

    if (v->sig_closed)
        return -ESRCH;
    if ((v->sigpending & SIGBIT(sig)) && !realtime)
        return 0;
    q = item_get();
    if (!q)
        return -ENOMEM;
    q->info = *info;
    q->info.si_signo = sig;
    q->shared = shared;
    q->next = NULL;
    for (tail = &v->sigq; *tail; tail = &(*tail)->next)
        ;
    *tail = q;
    fetch_or_acq_rel(&v->sigpending, SIGBIT(sig));
    return 0;
}

int sig_post(struct vthread *v, int sig, const siginfo_t *info)
{
    struct vthread *self = vthr_self;
    int r;

    rt_hold(self);
    lock(&lk);
    r = enqueue(v, sig, info, false);
    unlock(&lk);
    rt_unhold(self);
    return r;
}

int sig_post_shared(struct vthread *v, int sig, const siginfo_t *info)
{
    int r = -EAGAIN;

    lock(&lk);
    if (!v->sig_closed && load_relaxed(&v->life) == VT_LIVE && !(load_relaxed(&v->sigmask) & SIGBIT(sig)))
        r = enqueue(v, sig, info, true);
    unlock(&lk);
    return r;
}

/* Takes what is `shared` and in set, or everything (a closed queue), off v's queue. */
static struct sig_queue *detach(struct vthread *v, uint64_t set, bool all)
{
    struct sig_queue **pp = &v->sigq, *q, *list = NULL, **tail = &list;
    uint64_t left = 0;

    while ((q = *pp)) {
        uint64_t bit = SIGBIT(q->info.si_signo);

        if (all || (q->shared && (bit & set))) {
            *pp = q->next;
            q->next = NULL;
            *tail = q;
            tail = &q->next;
        } else {
            left |= bit;
            pp = &q->next;
        }
    }
    store_relaxed(&v->sigpending, left);
    return list;
}

/* The kernel decides anew who takes them. */
static void requeue(struct sig_queue *list)
{
    while (list) {
        struct sig_queue *q = list;

        list = q->next;
        if (q->shared)
            sig_requeue(q->info.si_signo, &q->info);
        lock(&lk);
        q->next = free_items;
        free_items = q;
        unlock(&lk);
    }
}

/* An ignored signal is not pending (sigaction(3p)), for no thread. */
static int discard(struct vthread *v, void *arg)
{
    uint64_t bit = *(const uint64_t *)arg, left = 0;
    struct sig_queue **pp, *q;

    if (!(load_acquire(&v->sigpending) & bit))
        return 0;
    lock(&lk);
    for (pp = &v->sigq; (q = *pp);) {
        if (SIGBIT(q->info.si_signo) & bit) {
            *pp = q->next;
            q->next = free_items;
            free_items = q;
        } else {
            left |= SIGBIT(q->info.si_signo);
            pp = &q->next;
        }
    }
    store_relaxed(&v->sigpending, left);
    unlock(&lk);
    return 0;
}

void sig_discard(int sig)
{
    struct vthread *self = vthr_self;
    uint64_t bit = SIGBIT(sig);

    rt_hold(self);
    vthread_each(discard, &bit);
    rt_unhold(self);
}

void sig_give_back(struct vthread *v, uint64_t set)
{
    struct sig_queue *list;

    lock(&lk);
    list = detach(v, set, false);
    unlock(&lk);
    requeue(list);
}

void signal_close(struct vthread *v)
{
    struct sig_queue *list;

    lock(&lk);
    v->sig_closed = true;
    list = detach(v, 0, true);
    unlock(&lk);
    requeue(list);
}

/* Takes the oldest pending instance of a signal in `set`; v is the caller. */
int sig_take(struct vthread *v, uint64_t set, siginfo_t *info)
{
    struct sig_queue **pp, *q, **best = NULL;
    bool more = false;
    int sig = 0;

    if (!(load_acquire(&v->sigpending) & set))
        return 0;
    v->in_rt++; /* not rt_hold: who asks looks at `attention` again, and handlers must not run in between */
    compiler_barrier();
    lock(&lk);
    for (pp = &v->sigq; *pp; pp = &(*pp)->next) {
        int s = (*pp)->info.si_signo;

        if ((SIGBIT(s) & set) && (!best || s < (*best)->info.si_signo))
            best = pp;
    }
    if (best) {
        q = *best;
        *best = q->next;
        *info = q->info;
        sig = info->si_signo;
        q->next = free_items;
        free_items = q;
        for (q = v->sigq; q; q = q->next)
            more |= q->info.si_signo == sig;
        if (!more)
            fetch_and_acq_rel(&v->sigpending, ~SIGBIT(sig));
    }
    unlock(&lk);
    compiler_barrier();
    v->in_rt--;
    return sig;
}

/* --- Sending --- */

int signal_send(struct vthread *to, int sig, const siginfo_t *info)
{
    struct vthread *self = vthr_self;
    int r;

    if (sig < 1 || sig >= NSIG_ || sig == SIG_NUDGE || sig == SIG_SETXID)
        return -EINVAL;
    r = sig_post(to, sig, info);
    if (r)
        return r == -ESRCH ? 0 : -EAGAIN; /* one that ends is as one that has it blocked for good */
    if (to == self) {
        if (!(self->sigmask & SIGBIT(sig)))
            sig_attend(self, NULL);
    } else {
        signal_nudge(to);
    }
    return 0;
}

int signal_send_self(struct vthread *v, int sig, int code)
{
    siginfo_t info;

    memset(&info, 0, sizeof info);
    info.si_signo = sig;
    info.si_code = code;
    info.si_pid = (int)SYS0(SYS_getpid);
    info.si_uid = (unsigned)SYS0(SYS_getuid);
    return signal_send(v, sig, &info);
}

/* The kernel gives a signal for the process to the main thread if that has it unblocked (signal(7)), and then it is pending there when
 * the call that sent it returns: whatever the sender lets the main thread do afterwards comes after the handler.  By way of the
 * receiver it could come before. */
int signal_send_process(int sig, const siginfo_t *info)
{
    struct vthread *self = vthr_self;
    int r;

    if (sig < 1 || sig >= NSIG_ || !sig_is_virtual(sig) || sig == SIGCONT || !sig_action_caught(sig) || sig_is_dump(sig))
        return -EAGAIN;
    rt_hold(self);
    r = sig_post_shared(&vthr_main, sig, info);
    rt_unhold(self);
    if (!r)
        signal_nudge(&vthr_main);
    return r;
}

uint64_t signal_pending(struct vthread *v)
{
    uint64_t k = 0;

    SYS2(SYS_rt_sigpending, &k, 8);
    return (k | load_acquire(&v->sigpending)) & ~(SIGBIT(SIG_NUDGE) | SIGBIT(SIG_SETXID));
}

void sig_items_reset_child(void)
{
    lock_init(&lk, RANK_SIGNAL);
    free_items = NULL;
}
