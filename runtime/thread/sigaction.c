/* Dispositions: what the program set, and what the kernel has instead (see signal.c).  `lk` protects `acts` and the kernel's state
 * together. */
#include "runtime/base/lock.h"
#include "runtime/base/real.h"
#include "runtime/arch/context.h"
#include "runtime/sched/sched.h"
#include "runtime/thread/signal_parts.h"
#include <errno.h>
#include <string.h>

#define KERNEL_SIGACTION_WORDS 4 /* handler, flags, restorer, mask: asm/signal.h */

static struct vthr_lock lk = VTHR_LOCK_INIT(RANK_SIGNAL);
static struct sigaction acts[NSIG_];

/* The kernel has a handler of ours for it: for a handler of the program's, for faults of our own, or to say that a stack
 * overflowed before the default action follows. */
static bool is_ours(int sig, const struct sigaction *a)
{
    return (sig_is_handler(a) && !(SIGBIT(sig) & SIG_UNMASKABLE)) ||
           (sig == SIGSEGV && (arch_tp_traps() || a->sa_handler == SIG_DFL)) || sig_is_dump(sig);
}

static int install(int sig, const struct sigaction *a)
{
    struct sigaction k = *a;

    if (sig_is_dump(sig) || (sig_is_virtual(sig) && sig_is_handler(a))) {
        k.sa_sigaction = sig_trampoline;
        k.sa_flags = SA_SIGINFO | SA_RESTART | (a->sa_flags & (SA_NOCLDSTOP | SA_NOCLDWAIT));
        sigfillset(&k.sa_mask);
    } else if (is_ours(sig, a)) {
        /* The masks are virtual: whether it is blocked is seen by sig_on_fault. */
        uint64_t mask = SIGBIT(SIG_NUDGE); /* sigaddset refuses it */

        k.sa_sigaction = sig == SIGSEGV && arch_tp_traps() ? arch_fault_entry : sig_on_fault;
        k.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK | (a->sa_flags & SA_RESTART);
        sigemptyset(&k.sa_mask);
        memcpy(&k.sa_mask, &mask, sizeof mask);
    }
    return REAL(sigaction)(sig, &k, NULL) ? -errno : 0;
}

/* Without the signals that nothing blocks, as the kernel keeps it. */
static void store_action(int sig, const struct sigaction *a)
{
    uint64_t mask;

    acts[sig] = *a;
    memcpy(&mask, &a->sa_mask, sizeof mask);
    mask &= ~SIG_UNMASKABLE;
    memcpy(&acts[sig].sa_mask, &mask, sizeof mask);
}

static bool ignores(int sig, const struct sigaction *a)
{
    return a->sa_handler == SIG_IGN ||
           (a->sa_handler == SIG_DFL && (sig == SIGCHLD || sig == SIGURG || sig == SIGWINCH || sig == SIGCONT));
}

int signal_action(int sig, const struct sigaction *act, struct sigaction *old)
{
    struct vthread *v = vthr_self;
    struct sigaction was;
    int r = 0;

    if (sig < 1 || sig >= NSIG_ || sig == SIG_NUDGE || sig == SIG_SETXID ||
        (act && (SIGBIT(sig) & SIG_UNMASKABLE)))
        return -EINVAL;
    rt_hold(v);
    lock(&lk);
    was = acts[sig];
    if (act && (r = install(sig, act)) == 0)
        store_action(sig, act);
    unlock(&lk);
    if (act && r == 0 && ignores(sig, act))
        sig_discard(sig);
    rt_unhold(v);
    if (old && !r)
        *old = was;
    return r;
}

struct sigaction sig_action_for_delivery(int sig)
{
    struct vthread *v = vthr_self;
    struct sigaction a;

    if (v)
        v->in_rt++; /* as in sig_take */
    compiler_barrier();
    lock(&lk);
    a = acts[sig];
    if ((a.sa_flags & SA_RESETHAND) && sig_is_handler(&a)) {
        acts[sig].sa_handler = SIG_DFL;
        acts[sig].sa_flags = 0;
    }
    unlock(&lk);
    compiler_barrier();
    if (v)
        v->in_rt--;
    return a;
}

int sig_action_flags(int sig)
{
    return load_relaxed(&acts[sig].sa_flags);
}

bool sig_action_caught(int sig)
{
    void (*h)(int) = load_relaxed(&acts[sig].sa_handler);

    return h != SIG_DFL && h != SIG_IGN;
}

uint64_t signal_caught(void)
{
    uint64_t set = 0;

    for (int sig = 1; sig < NSIG_; sig++)
        if (sig_is_virtual(sig) && sig_action_caught(sig))
            set |= SIGBIT(sig);
    return set;
}

void sig_actions_take_over(void)
{
    for (int sig = 1; sig < NSIG_; sig++) {
        memset(&acts[sig], 0, sizeof acts[sig]);
        if (sig == SIG_NUDGE || sig == SIG_SETXID || REAL(sigaction)(sig, NULL, &acts[sig]))
            continue;
        if (is_ours(sig, &acts[sig]))
            install(sig, &acts[sig]);
    }
    arch_trap_chain(sig_on_fault);
}

void sig_actions_give_back(void)
{
    lock_init(&lk, RANK_SIGNAL);
    for (int sig = 1; sig < NSIG_; sig++)
        if (sig_is_handler(&acts[sig]) || sig == SIGSEGV || sig_is_dump(sig))
            REAL(sigaction)(sig, &acts[sig], NULL);
}

int sig_install_nudge(bool on)
{
    /* SA_RESTART: what libc waits for inside itself goes on, unless a handler ran that ends it (sig_on_nudge). */
    struct sigaction nudge = { .sa_sigaction = sig_on_nudge, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART };
    uint64_t model[KERNEL_SIGACTION_WORDS] = { 0 };

    if (on) {
        /* The kernel needs libc's restorer: let libc install the handler for another signal and copy that. */
        if (REAL(sigaction)(SIGURG, &nudge, NULL))
            return -errno;
        SYS4(SYS_rt_sigaction, SIGURG, NULL, model, 8);
        install(SIGURG, &acts[SIGURG]);
    }
    return (int)SYS4(SYS_rt_sigaction, SIG_NUDGE, model, NULL, 8);
}
