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
 * Post against park: the sender raises `attention`, then looks at the waiter's word; the vthread becomes PARKING, then
 * looks at `attention`, a fence between (waiter.h).  So either the sender ends the wait or the vthread does not begin it;
 * a vthread that was seen RUNNING is in the program's code, where the nudge interrupts it, or on its way to rt_leave, to
 * waiter_park or to arch_syscall_intr, which look at `attention` themselves.  That the nudge may come to an OS thread which
 * has switched to another vthread by then does no harm for that reason.
 *
 * A handler that ran between the beginning of a call and its wait ends the call as one that runs in the wait: `sig_ran` notes
 * which ran since the call began, `intr` tells waiter_park and attend which of them count.  Handlers nest, and each begins
 * with a clean slate: run_handler keeps what belongs to the interrupted call.
 *
 * A handler's ucontext shows the virtual mask, and the kernel's own returns with the frame (call_with_context).
 *
 * Our locks are taken with in_rt > 0 (rt_hold), so that no handler runs above a frame that holds one.
 *
 * Files: signal.c delivery; sigstack.c on which stack; sigpend.c pending sets, posting and sending; sigaction.c dispositions; sigmask.c
 * masks; sigreceiver.c the receiver; sigwait.c waiting for signals; sigtimer.c whom timers' signals are for. */
#include "runtime/base/real.h"
#include "runtime/sched/bound.h"
#include "runtime/sched/sched.h"
#include "runtime/thread/cancel.h"
#include "runtime/thread/signal_parts.h"
#include <errno.h>
#include <string.h>
#include <ucontext.h>

static uint64_t set_bits(const sigset_t *s)
{
    uint64_t b;

    memcpy(&b, s, 8);
    return b;
}

static void default_action(int sig)
{
    struct ksig_action dfl = { 0 };
    uint64_t old;

    SYS4(SYS_rt_sigaction, sig, &dfl, NULL, 8);
    old = ksig_set_mask(~SIGBIT(sig));
    SYS3(SYS_tgkill, SYS0(SYS_getpid), SYS0(SYS_gettid), sig);
    ksig_set_mask(old); /* stopped and continued, or ignored by default */
}

/* What belongs to the call that a handler interrupts. */
struct interrupted {
    uint64_t sigwaiting;
    uint8_t sig_ran, intr, cancellable;
};

/* The handler returns to the program, or into the frame that the kernel made, in a child without the runtime.  A call that it
 * interrupted ends: what that waits for was the parent's. */
static void after_fork(struct vthread *v, uint64_t mask, const stack_t *alt, ucontext_t *frame)
{
    v->sig_ran = SIG_RAN_ANY;
    if (frame) {
        memcpy(&frame->uc_sigmask, &mask, 8);
        frame->uc_stack = *alt;
    } else {
        ksig_set_mask(mask);
    }
}

/* A function of its own: getcontext counts as returning twice. */
static VTHR_NOINLINE ucontext_t *made_context(ucontext_t *made)
{
    getcontext(made);
    return made;
}

/* One call of a handler of the program's. */
struct call {
    const struct sigaction *a;
    int sig;
    siginfo_t *info;
    ucontext_t *uc;
};

static void call_handler(void *arg)
{
    struct call *c = arg;

    if (c->a->sa_flags & SA_SIGINFO)
        c->a->sa_sigaction(c->sig, c->info, c->uc);
    else
        c->a->sa_handler(c->sig);
}

/* On the stack that ends at top, or here.  Its context shows the vthread's mask and alternate stack, and what it leaves there is what
 * holds after it; the OS thread goes back to its own. */
static void call_with_context(uintptr_t top, struct call *c, uint64_t *mask, stack_t *alt)
{
    uint64_t kernel = 0;

    if (c->uc) {
        kernel = set_bits(&c->uc->uc_sigmask);
        memcpy(&c->uc->uc_sigmask, mask, 8);
        c->uc->uc_stack = *alt;
    }
    if (top)
        arch_call_on(top, call_handler, c);
    else
        call_handler(c);
    if (c->uc) {
        *mask = set_bits(&c->uc->uc_sigmask);
        *alt = c->uc->uc_stack;
        memcpy(&c->uc->uc_sigmask, &kernel, 8);
    }
}

static void run_handler(struct vthread *v, int sig, siginfo_t *info, const struct sigaction *a, void *uc)
{
    ucontext_t *frame = uc;
    struct interrupted was = { v->sigwaiting, v->sig_ran, v->intr, v->cancellable };
    struct call call = { a, sig, info, uc };
    ucontext_t made;
    uint64_t mask = v->sigmask;
    uintptr_t top;
    unsigned pins;
    stack_t alt;
    int saved = errno;

    v->sigwaiting = 0;
    v->sig_ran = v->intr = v->cancellable = 0;
    v->sigmask |= set_bits(&a->sa_mask) | (a->sa_flags & SA_NODEFER ? 0 : SIGBIT(sig));
    if (!uc && (a->sa_flags & SA_SIGINFO))
        call.uc = made_context(&made);
    top = sig_stack_enter(v, a->sa_flags, &alt);
    pins = carrier_lift(v);
    call_with_context(top, &call, &mask, &alt);
    if (!vthr_self) { /* forked in the handler: the kernel's mask is the program's now */
        after_fork(v, mask, &alt, frame);
        errno = saved;
        return;
    }
    carrier_lower(v, pins);
    sig_stack_leave(v, &alt);
    sig_handler_returned(v, mask);
    v->sigwaiting = was.sigwaiting;
    v->intr = was.intr;
    v->cancellable = was.cancellable;
    v->sig_ran = was.sig_ran | (a->sa_flags & SA_RESTART ? SIG_RAN_RESTART : SIG_RAN_PLAIN);
    fence_seq_cst(); /* as in signal_wait */
    errno = saved;
}

static void deliver(struct vthread *v, int sig, siginfo_t *info, void *uc)
{
    struct sigaction a = sig_action_for_delivery(sig);

    if (sig_is_handler(&a))
        run_handler(v, sig, info, &a, uc);
    else if (a.sa_handler == SIG_DFL)
        default_action(sig);
}

/* The frame goes back to code of the vthread's, on whatever carrier. */
static void open_carrier(struct vthread *v)
{
    if (v)
        ksig_set_mask(KSIG_CARRIER_MASK); /* SIG_NUDGE, and where an exec or spawn has its own mask.  The handler may park. */
}
static void before_return(struct vthread *v, void *uc)
{
    if (v && v == vthr_self)
        arch_frame_keep_altstack(uc);
}

void (*signal_on_death)(struct vthread *v, const siginfo_t *info, const void *uc);

/* The process ends at the faulting instruction, which is executed again.  Nothing is said of a fault that a handler of the
 * program's has seen, and left to this. */
static void die_there(struct vthread *v, const siginfo_t *info, const void *uc)
{
    struct ksig_action dfl = { 0 };

    if (signal_on_death && !(v && v->faulted_at == arch_frame_sp(uc)))
        signal_on_death(v, info, uc);
    SYS4(SYS_rt_sigaction, info->si_signo, &dfl, NULL, 8);
}

/* One that no handler takes: by default the process ends at the faulting instruction, or by a signal again if somebody sent it. */
static void fault_untaken(struct vthread *v, int sig, const siginfo_t *info, const void *uc)
{
    if (info->si_code > 0)
        die_there(v, info, uc);
    else if (!sig_action_caught(sig) && sig_action_for_delivery(sig).sa_handler == SIG_DFL)
        default_action(sig);
}

/* Of a guard that lies in the page table (mem/slab.c) the kernel says that nothing is mapped there; natively a guard is a mapping
 * without access. */
static void name_guard(const struct vthread *v, siginfo_t *info)
{
    if (v && info->si_signo == SIGSEGV && info->si_code == SEGV_MAPERR &&
        (uintptr_t)info->si_addr - ((uintptr_t)v->stack_lo - v->guard_size) < v->guard_size)
        info->si_code = SEGV_ACCERR;
}

/* As the kernel would have delivered it: to the handler, which counts as blocking it. */
static void on_fault(int sig, siginfo_t *info, void *uc)
{
    struct vthread *v = vthr_self;
    bool blocked = v && (v->sigmask & SIGBIT(sig));
    struct sigaction a = sig_action_for_delivery(sig);

    open_carrier(v);
    name_guard(v, info);
    if (!sig_is_handler(&a) || blocked) {
        fault_untaken(v, sig, info, uc);
    } else if (v) {
        v->faulted_at = arch_frame_sp(uc);
        run_handler(v, sig, info, &a, uc);
    } else if (a.sa_flags & SA_SIGINFO) {
        a.sa_sigaction(sig, info, uc);
    } else {
        a.sa_handler(sig);
    }
    before_return(v, uc);
}

void sig_on_fault(int sig, siginfo_t *info, void *uc)
{
    struct vthread *v = vthr_self;
    struct ksig_action dfl = { 0 };

    if ((sig == SIGSEGV || sig == SIGBUS) && arch_copy_failed(uc))
        return;
    if (!sig_action_caught(sig)) {
        fault_untaken(v, sig, info, uc);
    } else if (!sig_move(v, sig_action_flags(sig), sig, info, uc, on_fault)) {
        /* No room on the stack.  Natively the kernel then forces SIGSEGV. */
        if (sig == SIGSEGV && info->si_code > 0) {
            die_there(v, info, uc);
        } else {
            SYS4(SYS_rt_sigaction, SIGSEGV, &dfl, NULL, 8);
            default_action(SIGSEGV);
        }
    }
}

void sig_deliver_all(struct vthread *v, void *uc)
{
    siginfo_t info;
    int sig;

    while ((sig = sig_take(v, ~v->sigmask, &info)))
        deliver(v, sig, &info, uc);
}

static void go_to_own(struct vthread *v)
{
    unsigned pins = carrier_lift(v);

    bound_take(v);
    carrier_lower(v, pins);
}

/* The flag stays up while there is something that only the next wait can act on: a deferred cancellation, a signal for a
 * sigwait, a handler or a scope's cancellation that ends the call in progress; so that what came just before a wait ends it.
 * It goes down by an exchange: a plain store could become visible after a sender's, and wipe that out, though sigpending was
 * read before it. */
void sig_attend(struct vthread *v, void *uc)
{
    do {
        xchg_acq_rel(&v->attention, (uint8_t)0);
        if (unlikely(load_acquire(&v->reserve) != NULL))
            go_to_own(v);
        if (load_relaxed(&v->sigpending) & ~v->sigmask)
            sig_deliver_all(v, uc);
        cancel_async_point(v);
    } while (load_relaxed(&v->attention)); /* a nudge that came while a lock was held left it to us */
    if (cancel_pending(v) || (load_relaxed(&v->sigpending) & v->sigwaiting) || (v->sig_ran & v->intr) ||
        (load_relaxed(&v->stopped) & v->cancellable))
        store_relaxed(&v->attention, 1);
}

void rt_attention(struct vthread *v)
{
    if (!v->hooks_off)
        sig_attend(v, NULL);
}

/* The kernel queues this signal (it counts as a real-time one) and delivers all that wait at once, each in a frame on top of the
 * other: so one at a time is sent to an OS thread. */
static void arrived(struct vthread *v)
{
    struct carrier *c = v ? v->carrier : vthr_carrier;

    if (c)
        __atomic_store_n(&c->nudged, 0u, __ATOMIC_SEQ_CST);
}

static void on_nudge(int sig, siginfo_t *info, void *uc)
{
    struct vthread *v = vthr_self;
    uint8_t before = v->sig_ran;
    int saved = errno;

    (void)sig;
    (void)info;
    v->sig_ran = 0;
    open_carrier(v);
    sig_attend(v, uc);
    arch_abort_syscall(uc);
    if (v->sig_ran & SIG_RAN_PLAIN)
        arch_end_syscall(uc);
    v->sig_ran |= before;
    if (v->sig_ran & v->intr)
        store_relaxed(&v->attention, 1);
    before_return(v, uc);
    errno = saved;
}

/* Of the handler that is likely to run next. */
static int next_flags(struct vthread *v)
{
    uint64_t set = load_relaxed(&v->sigpending) & ~v->sigmask;

    return set ? sig_action_flags(__builtin_ctzll(set) + 1) : 0;
}

void (*signal_on_nudge)(const void *uc);

void sig_on_nudge(int sig, siginfo_t *info, void *uc)
{
    void (*hook)(const void *) = load_acquire(&signal_on_nudge);
    struct vthread *v = vthr_self;

    if (unlikely(hook))
        hook(uc);
    arrived(v); /* first: what is sent from here on comes again */
    if (!v || v->hooks_off || v->in_rt) /* in the runtime it looks by itself */
        return;
    if (load_relaxed(&v->attention))
        sig_move(v, next_flags(v), sig, info, uc, on_nudge);
}
