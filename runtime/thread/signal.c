/* Virtual signals.
 *
 * Protocol.  Carriers block every signal but the synchronous ones.  One native thread, the receiver, waits in rt_sigsuspend
 * with those signals unblocked that at least one vthread has unblocked; so default actions and ignoring stay the kernel's,
 * signals that all block stay pending in the kernel (sigwait, signalfd find them there), and a caught signal runs
 * our trampoline on the receiver, which notes it and lets the receiver dispatch it in plain context: to the main vthread
 * if it has the signal unblocked, else to any that has (signal(7): the kernel's own preference).
 *
 * Posting to a vthread sets its pending bit and `attention`, then nudges it: parked, its wait ends with W_INTR; running, an
 * internal signal interrupts it.  The vthread runs its handlers itself, on its own stack, when it leaves the runtime
 * (rt_attention) or inside the internal signal's frame when it was in the program's code.
 *
 * Why no fence between "park" and "post": the nudge is a real signal, so its handler runs on the vthread's OS thread
 * either before the vthread looked at `attention` or after it became PARKING, and then claims the wait itself.
 *
 * Protected by `lk`: dispositions, mask table, items. */
#include "runtime/thread/signal.h"
#include "runtime/base/lock.h"
#include "runtime/base/real.h"
#include "runtime/mem/slab.h"
#include "runtime/sched/native.h"
#include "runtime/sched/sched.h"
#include "runtime/thread/cancel.h"
#include <errno.h>
#include <string.h>
#include <ucontext.h>

#define NSIG_ 65
#define MAX_MASKS 64
#define UNMASKABLE (SIGBIT(SIGKILL) | SIGBIT(SIGSTOP))

struct kernel_sigaction { /* asm/signal.h */
    void *handler;
    unsigned long flags;
    void *restorer;
    uint64_t mask;
};
struct sig_queue { /* one pending signal of a vthread */
    struct sig_queue *next;
    siginfo_t info;
};

static struct vthr_lock lk = VTHR_LOCK_INIT(RANK_SIGNAL);
static struct sigaction acts[NSIG_];
static struct sig_queue *free_items;
static struct {
    uint64_t mask;
    uint32_t count;
} masks[MAX_MASKS];
static unsigned n_masks;
static uint64_t unblocked_union; /* what some vthread has unblocked */
static uint32_t union_gen;       /* raised with each change of the union; written under lk */
static uint32_t receiver_gen;    /* futex: the change that the receiver has seen */
static uint64_t stray;           /* dispatched, but blocked by everybody since */
static int receiver_tid;
static siginfo_t received;       /* receiver only: set by its trampoline */

static bool is_handler(const struct sigaction *a)
{
    return a->sa_handler != SIG_DFL && a->sa_handler != SIG_IGN;
}
static bool is_virtual(int sig)
{
    return sig >= 1 && sig < NSIG_ && sig != SIG_NUDGE && sig != SIG_SETXID &&
           !(SIGBIT(sig) & (KSIG_DIRECT | UNMASKABLE));
}
static uint64_t set_bits(const sigset_t *s)
{
    uint64_t b;

    memcpy(&b, s, 8);
    return b;
}

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
        if (c && v != vthr_self)
            SYS3(SYS_tgkill, SYS0(SYS_getpid), c->tid, SIG_NUDGE);
    }
    wake_leave(self);
}

static int post(struct vthread *v, int sig, const siginfo_t *info)
{
    bool realtime = sig >= 34;
    struct sig_queue *q, **tail;

    lock(&lk);
    if (!(v->sigpending & SIGBIT(sig)) || realtime) {
        q = item_get();
        if (!q) {
            unlock(&lk);
            return -EAGAIN;
        }
        q->info = *info;
        q->info.si_signo = sig;
        q->next = NULL;
        for (tail = &v->sigq; *tail; tail = &(*tail)->next)
            ;
        *tail = q;
        fetch_or_acq_rel(&v->sigpending, SIGBIT(sig));
    }
    unlock(&lk);
    return 0;
}

/* Takes the oldest pending instance of a signal in `set`. */
static int take(struct vthread *v, uint64_t set, siginfo_t *info)
{
    struct sig_queue **pp, *q, **best = NULL;
    bool more = false;
    int sig = 0;

    if (!(load_acquire(&v->sigpending) & set))
        return 0;
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
    return sig;
}

/* --- Delivery, on the vthread itself, outside the runtime --- */

static void default_action(int sig)
{
    struct kernel_sigaction dfl = { 0 };
    uint64_t old;

    SYS4(SYS_rt_sigaction, sig, &dfl, NULL, 8);
    old = ksig_set_mask(~SIGBIT(sig));
    SYS3(SYS_tgkill, SYS0(SYS_getpid), SYS0(SYS_gettid), sig);
    ksig_set_mask(old); /* stopped and continued, or ignored by default */
}

static void run_handler(struct vthread *v, int sig, siginfo_t *info, const struct sigaction *a, void *uc)
{
    ucontext_t made;
    uint64_t old = v->sigmask;
    int saved = errno;

    v->sigmask |= set_bits(&a->sa_mask) | (a->sa_flags & SA_NODEFER ? 0 : SIGBIT(sig));
    if (!(a->sa_flags & SA_RESTART))
        v->sig_eintr = 1;
    if (a->sa_flags & SA_SIGINFO) {
        if (!uc) {
            getcontext(&made);
            uc = &made;
        }
        memcpy(&((ucontext_t *)uc)->uc_sigmask, &old, 8);
        a->sa_sigaction(sig, info, uc);
    } else {
        a->sa_handler(sig);
    }
    v->sigmask = old;
    v->sig_ran = 1;
    errno = saved;
}

static void deliver(struct vthread *v, int sig, siginfo_t *info, void *uc)
{
    struct sigaction a;

    lock(&lk);
    a = acts[sig];
    if ((a.sa_flags & SA_RESETHAND) && is_handler(&a)) {
        acts[sig].sa_handler = SIG_DFL;
        acts[sig].sa_flags = 0;
    }
    unlock(&lk);
    if (is_handler(&a))
        run_handler(v, sig, info, &a, uc);
    else if (a.sa_handler == SIG_DFL)
        default_action(sig);
}

static void deliver_all(struct vthread *v, void *uc)
{
    siginfo_t info;
    int sig;

    while ((sig = take(v, ~v->sigmask, &info)))
        deliver(v, sig, &info, uc);
}

/* The flag stays up while there is something that only the next wait can act on: a deferred cancellation, a signal for a
 * sigwait; so that what came just before a wait ends it. */
static void attend(struct vthread *v, void *uc)
{
    store_relaxed(&v->attention, 0);
    compiler_barrier();
    if (load_relaxed(&v->sigpending) & ~v->sigmask)
        deliver_all(v, uc);
    cancel_async_point(v);
    if (cancel_pending(v) || (load_relaxed(&v->sigpending) & v->sigwaiting))
        store_relaxed(&v->attention, 1);
}

void rt_attention(struct vthread *v)
{
    if (!v->hooks_off)
        attend(v, NULL);
}

static void on_nudge(int sig, siginfo_t *info, void *uc)
{
    struct vthread *v = vthr_self;
    int saved = errno;

    (void)sig;
    (void)info;
    if (!v || v->hooks_off)
        return;
    if (v->in_rt) {
        uint64_t w = load_relaxed(&v->w.word);

        /* About to park: the wait ends here.  Only the claim: it is not on any queue yet. */
        if (load_relaxed(&v->attention) && (w & W_MASK) == W_PARKING)
            cas_acq_rel(&v->w.word, &w, (w & ~(uint64_t)W_MASK) | W_INTR);
        return;
    }
    if (load_relaxed(&v->attention)) {
        attend(v, uc);
        arch_abort_syscall(uc);
    }
    errno = saved;
}

bool signal_eintr(struct vthread *v)
{
    bool r = v->sig_eintr;

    v->sig_eintr = 0;
    return r;
}

/* --- The receiver --- */

static void trampoline(int sig, siginfo_t *info, void *uc)
{
    if ((int)SYS0(SYS_gettid) == receiver_tid) {
        received = *info;
        received.si_signo = sig;
        return;
    }
    /* Unblocked here for a moment only (exec, spawn): hand it on. */
    struct vthread *v = vthr_self;
    if (v && v->hooks_off && is_handler(&acts[sig])) { /* a vfork child */
        acts[sig].sa_handler(sig);
        return;
    }
    if (v && is_virtual(sig) && !v->in_rt && post(v, sig, info) == 0) {
        store_relaxed(&v->attention, 1);
        if (load_relaxed(&v->sigpending) & ~v->sigmask)
            deliver_all(v, uc);
    }
}

struct pick {
    uint64_t bit;
    struct vthread *v;
};
static int pick_one(struct vthread *v, void *arg)
{
    struct pick *p = arg;

    if (load_relaxed(&v->sigmask) & p->bit)
        return 0;
    p->v = v;
    return 1;
}

static void dispatch(const siginfo_t *info)
{
    struct pick p = { SIGBIT(info->si_signo), NULL };

    vthread_each(pick_one, &p); /* the main vthread comes first */
    if (p.v) {
        if (post(p.v, info->si_signo, info) == 0)
            signal_nudge(p.v);
    } else {
        fetch_or_acq_rel(&stray, p.bit);
    }
}

static void poke_receiver(void)
{
    int tid = load_acquire(&receiver_tid);

    if (tid)
        SYS3(SYS_tgkill, SYS0(SYS_getpid), tid, SIG_NUDGE);
}

static void *receiver_main(void *arg)
{
    (void)arg;
    store_release(&receiver_tid, (int)SYS0(SYS_gettid));
    sys_futex_wake((uint32_t *)&receiver_tid, 1);
    for (;;) {
        uint32_t gen = load_acquire(&union_gen);
        uint64_t mask = ~(load_acquire(&unblocked_union) | SIGBIT(SIG_NUDGE) | SIGBIT(SIG_SETXID));

        /* Everything is blocked here: whatever was removed from the union before gen can no longer be taken. */
        if (xchg_acq_rel(&receiver_gen, gen) != gen)
            sys_futex_wake(&receiver_gen, 1 << 30);
        received.si_signo = 0;
        SYS2(SYS_rt_sigsuspend, &mask, 8);
        if (received.si_signo)
            dispatch(&received);
    }
    return NULL;
}

static int start_receiver(void)
{
    int r = native_start(receiver_main, NULL, 65536);

    while (!r && !load_acquire(&receiver_tid))
        sys_futex_wait((uint32_t *)&receiver_tid, 0, NO_DEADLINE);
    return r;
}

/* --- Masks --- */

/* lk held. */
static void recompute_union(void)
{
    uint64_t u = 0;

    for (unsigned i = 0; i < n_masks; i++)
        if (masks[i].count)
            u |= ~masks[i].mask;
    if (u == unblocked_union)
        return;
    store_release(&unblocked_union, u);
    store_release(&union_gen, union_gen + 1);
    poke_receiver();
}

static void mask_add(uint64_t mask, int by)
{
    unsigned i, hole = MAX_MASKS;
    bool changed = false;

    for (i = 0; i < n_masks; i++) {
        if (masks[i].mask == mask)
            break;
        if (!masks[i].count)
            hole = i;
    }
    if (i == n_masks && by > 0) {
        if (hole < MAX_MASKS)
            i = hole;
        else if (n_masks < MAX_MASKS)
            n_masks++;
        else
            return; /* more distinct masks than slots: signals only these unblock stay with the others */
        masks[i].mask = mask;
        masks[i].count = 0;
    }
    if (i < n_masks) {
        masks[i].count += (uint32_t)by;
        changed = by > 0 ? masks[i].count == 1 : masks[i].count == 0;
    }
    if (changed)
        recompute_union();
}

void signal_mask_ref(uint64_t mask)
{
    lock(&lk);
    mask_add(mask, 1);
    unlock(&lk);
}
void signal_mask_unref(uint64_t mask)
{
    lock(&lk);
    mask_add(mask, -1);
    unlock(&lk);
}

/* What is pending for the process and was just unblocked is handled before the call returns (sigprocmask(2)): taken here,
 * before the receiver can. */
static void take_from_kernel(struct vthread *v, uint64_t newly)
{
    struct timespec zero = { 0, 0 };
    siginfo_t info;
    long sig;

    newly &= ~(KSIG_DIRECT | SIGBIT(SIG_NUDGE) | SIGBIT(SIG_SETXID));
    if (!newly)
        return;
    while ((sig = SYS4(SYS_rt_sigtimedwait, &newly, &info, &zero, 8)) > 0)
        post(v, (int)sig, &info);
}

/* A signal that was blocked must not be taken any more when the call returns. */
static void wait_for_receiver(void)
{
    uint32_t gen = load_acquire(&union_gen), seen;

    while ((int32_t)((seen = load_acquire(&receiver_gen)) - gen) < 0)
        sys_futex_wait(&receiver_gen, seen, NO_DEADLINE);
}

static void set_mask(struct vthread *v, uint64_t mask)
{
    uint64_t old = v->sigmask;

    mask &= ~(UNMASKABLE | SIGBIT(SIG_NUDGE) | SIGBIT(SIG_SETXID));
    if (mask == old)
        return;
    v->in_rt++; /* our lock is held: no handler here */
    v->sigmask = mask;
    take_from_kernel(v, old & ~mask);
    lock(&lk);
    mask_add(mask, 1);
    mask_add(old, -1);
    unlock(&lk);
    if ((mask & ~old) & ~unblocked_union)
        wait_for_receiver();
    v->in_rt--;
    uint64_t s = load_relaxed(&stray) & ~mask;
    for (int sig = 1; s; sig++, s >>= 1)
        if ((s & 1) && (fetch_and_acq_rel(&stray, ~SIGBIT(sig)) & SIGBIT(sig)))
            signal_send_self(v, sig, SI_USER);
    if (load_relaxed(&v->attention) || (load_relaxed(&v->sigpending) & ~mask))
        rt_attention(v);
}

int signal_mask(struct vthread *v, int how, const uint64_t *set, uint64_t *old)
{
    uint64_t was = v->sigmask, now = was;

    if (set) {
        switch (how) {
        case SIG_BLOCK: now = was | *set; break;
        case SIG_UNBLOCK: now = was & ~*set; break;
        case SIG_SETMASK: now = *set; break;
        default: return -EINVAL;
        }
    }
    if (old)
        *old = was;
    set_mask(v, now);
    return 0;
}

/* --- Dispositions --- */

static int install(int sig, const struct sigaction *a)
{
    struct sigaction k = *a;

    if (is_virtual(sig) && is_handler(a)) {
        k.sa_sigaction = trampoline;
        k.sa_flags = SA_SIGINFO | SA_RESTART | (a->sa_flags & (SA_NOCLDSTOP | SA_NOCLDWAIT));
        sigfillset(&k.sa_mask);
    }
    return REAL(sigaction)(sig, &k, NULL) ? -errno : 0;
}

int signal_action(int sig, const struct sigaction *act, struct sigaction *old)
{
    struct vthread *v = vthr_self;
    struct sigaction was;
    int r = 0;

    if (sig < 1 || sig >= NSIG_ || sig == SIG_NUDGE || sig == SIG_SETXID ||
        (act && (SIGBIT(sig) & UNMASKABLE)))
        return -EINVAL;
    if (v)
        v->in_rt++;
    lock(&lk);
    was = acts[sig];
    if (act && (r = install(sig, act)) == 0)
        acts[sig] = *act;
    unlock(&lk);
    if (v)
        v->in_rt--;
    if (old && !r)
        *old = was;
    return r;
}

/* --- Sending and waiting --- */

int signal_send(struct vthread *to, int sig, const siginfo_t *info)
{
    struct vthread *self = vthr_self;
    int r;

    if (sig < 1 || sig >= NSIG_ || sig == SIG_NUDGE || sig == SIG_SETXID)
        return -EINVAL;
    if (self)
        self->in_rt++;
    r = post(to, sig, info);
    if (self)
        self->in_rt--;
    if (r)
        return r;
    if (to == self) {
        if (!(self->sigmask & SIGBIT(sig)))
            rt_attention(self);
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

uint64_t signal_pending(struct vthread *v)
{
    uint64_t k = 0;

    SYS2(SYS_rt_sigpending, &k, 8);
    return (k | load_acquire(&v->sigpending) | load_relaxed(&stray)) & ~(SIGBIT(SIG_NUDGE) | SIGBIT(SIG_SETXID));
}

int signal_suspend(struct vthread *v, uint64_t mask)
{
    uint64_t old = v->sigmask;

    v->sig_eintr = 0;
    v->sig_ran = 0;
    set_mask(v, mask);
    while (!v->sig_ran) {
        rt_enter(v);
        waiter_prepare(&v->w);
        v->cancellable = 1;
        waiter_park(&v->w, NO_DEADLINE, NULL);
        v->cancellable = 0;
        rt_leave(v);
        if (load_relaxed(&v->sigpending) & ~v->sigmask)
            rt_attention(v);
        cancel_point(v);
    }
    v->sig_eintr = 0;
    set_mask(v, old);
    return -EINTR;
}

static int wait_for(struct vthread *v, uint64_t set, siginfo_t *info, uint64_t deadline)
{
    for (;;) {
        struct timespec ts, *tp = NULL;
        int sig = take(v, set, info);
        long r;

        if (sig)
            return sig;
        if (deadline != NO_DEADLINE) {
            uint64_t now = now_ns(), left = deadline > now ? deadline - now : 0;

            ts.tv_sec = (time_t)(left / NSEC_PER_SEC);
            ts.tv_nsec = (long)(left % NSEC_PER_SEC);
            tp = &ts;
        }
        /* Not blocking_syscall: each turn looks at the vthread's own pending signals first. */
        v->sig_ran = 0;
        block_begin(v, true);
        r = arch_syscall_intr(&v->attention, SYS_rt_sigtimedwait, (long)&set, (long)info, (long)tp, 8, 0, 0);
        block_end(v);
        if (r != -EINTR)
            return (int)r;
        cancel_point(v);
        if (v->sig_ran)
            return -EINTR;
    }
}

int signal_wait(struct vthread *v, uint64_t set, siginfo_t *info, uint64_t deadline)
{
    int r;

    cancel_point(v);
    v->sigwaiting = set;
    r = wait_for(v, set, info, deadline);
    v->sigwaiting = 0;
    return r;
}

void signal_sigpipe(struct vthread *v)
{
    uint64_t set = SIGBIT(SIGPIPE);
    struct timespec zero = { 0, 0 };
    siginfo_t info;

    if (SYS4(SYS_rt_sigtimedwait, &set, &info, &zero, 8) == SIGPIPE)
        signal_send_self(v, SIGPIPE, SI_KERNEL);
}

/* --- Boot and fork --- */

int signal_start(struct vthread *main_v)
{
    struct sigaction nudge = { .sa_sigaction = on_nudge, .sa_flags = SA_SIGINFO | SA_NODEFER };
    struct kernel_sigaction model;
    int r;

    for (int sig = 1; sig < NSIG_; sig++) {
        memset(&acts[sig], 0, sizeof acts[sig]);
        if (sig == SIG_NUDGE || sig == SIG_SETXID || REAL(sigaction)(sig, NULL, &acts[sig]))
            continue;
        if (is_virtual(sig) && is_handler(&acts[sig]))
            install(sig, &acts[sig]);
    }
    /* libc refuses signal 32, but any of its handlers shows the restorer that the kernel needs. */
    r = REAL(sigaction)(SIGURG, &nudge, NULL);
    SYS4(SYS_rt_sigaction, SIGURG, NULL, &model, 8);
    install(SIGURG, &acts[SIGURG]);
    SYS4(SYS_rt_sigaction, SIG_NUDGE, &model, NULL, 8);
    if (r)
        return -errno;

    main_v->sigmask = ksig_set_mask(KSIG_CARRIER_MASK);
    n_masks = 0;
    unblocked_union = 0;
    stray = 0;
    receiver_tid = 0;
    union_gen = receiver_gen = 0;
    signal_mask_ref(main_v->sigmask);
    r = start_receiver();
    if (r)
        ksig_set_mask(main_v->sigmask);
    return r;
}

void signal_reset_child(struct vthread *v)
{
    struct kernel_sigaction dfl = { 0 };

    lock_init(&lk, RANK_SIGNAL);
    for (int sig = 1; sig < NSIG_; sig++)
        if (is_virtual(sig) && is_handler(&acts[sig]))
            REAL(sigaction)(sig, &acts[sig], NULL);
    SYS4(SYS_rt_sigaction, SIG_NUDGE, &dfl, NULL, 8);
    free_items = NULL;
    if (!v)
        return;
    v->sigq = NULL;
    v->sigpending = 0;
    v->attention = 0;
    v->in_rt = 0;
    ksig_set_mask(v->sigmask);
}
