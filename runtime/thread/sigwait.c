/* Waiting for signals: sigsuspend, pause, the sigwait family; and the SIGPIPE of a broken pipe. */
#include "runtime/arch/context.h"
#include "runtime/sched/sched.h"
#include "runtime/thread/cancel.h"
#include "runtime/thread/signal_parts.h"
#include <errno.h>

int signal_suspend(struct vthread *v, uint64_t mask)
{
    uint64_t old = v->sigmask;
    int r = -EINTR;

    cancel_point(v); /* a request that the thread made itself raises no attention */
    v->sig_ran = 0;
    signal_mask(v, SIG_SETMASK, &mask, NULL);
    while (!v->sig_ran) {
        rt_enter(v);
        waiter_prepare_alone(&v->w, wait_on(WAIT_SIGNAL, NULL));
        v->cancellable = STOP_POINT;
        v->intr = SIG_RAN_ANY;
        waiter_park(&v->w, NO_DEADLINE);
        v->intr = 0;
        v->cancellable = 0;
        rt_leave(v);
        cancel_point(v);
        if (!v->sig_ran && cancel_stopped(v)) {
            r = -ECANCELED;
            break;
        }
    }
    signal_mask(v, SIG_SETMASK, &old, NULL);
    return r;
}

static int wait_for(struct vthread *v, uint64_t set, siginfo_t *info, uint64_t deadline)
{
    for (;;) {
        struct timespec ts = { 0, 0 }, *tp = NULL;
        int sig = sig_take(v, set, info);
        bool stopped;
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
        v->intr = SIG_RAN_ANY;
        v->cancellable = STOP_POINT;
        compiler_barrier(); /* a cancellation that comes from here on ends the call */
        stopped = cancel_stopped(v);
        if (stopped) { /* takes what the kernel has, and does not wait */
            ts.tv_sec = ts.tv_nsec = 0;
            tp = &ts;
        }
        block_begin(v, true);
        block_note(v, wait_on(WAIT_SIGNAL, NULL));
        r = arch_syscall_intr(&v->attention, SYS_rt_sigtimedwait, (long)&set, (long)info, (long)tp, 8, 0, 0);
        arch_tp_mend();
        v->cancellable = 0;
        block_end(v);
        v->intr = 0;
        if (r > 0)
            sig_code_restore(info);
        if (r == -EAGAIN && stopped)
            return -ECANCELED;
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
    if (vthr_config.dump_signal)
        set &= ~SIGBIT(vthr_config.dump_signal); /* the receiver's */
    v->sig_ran = 0;
    v->sigwaiting = set;
    fence_seq_cst(); /* a sender posts, then looks at it; we look at what was posted after this */
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
