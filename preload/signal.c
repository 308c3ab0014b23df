/* Signals: dispositions, masks, waiting, alternate stacks.  Sending: sigsend.c.  See runtime/thread/signal.c. */
#include "preload/hook.h"
#include <string.h>

/* The calling vthread; NULL for native threads and in a vfork child, where the kernel's own masks and dispositions count. */
static struct vthread *virtual_self(void)
{
    struct vthread *v = vthr_self;

    return v && !v->hooks_off ? v : NULL;
}

static uint64_t bits_of(const sigset_t *s)
{
    uint64_t b;

    memcpy(&b, s, sizeof b);
    return b;
}
static void to_set(sigset_t *s, uint64_t b)
{
    sigemptyset(s);
    memcpy(s, &b, sizeof b);
}

HOOK int sigaction(int sig, const struct sigaction *act, struct sigaction *old)
{
    struct vthread *v = vthr_self;

    if (!vthr_active || (v && v->hooks_off))
        return REAL(sigaction)(sig, act, old);
    return (int)posix(signal_action(sig, act, old));
}
HOOK int __sigaction(int, const struct sigaction *, struct sigaction *) ALIAS(sigaction);

static sighandler_t set_handler(int sig, sighandler_t h, int flags)
{
    struct sigaction a = { .sa_handler = h, .sa_flags = flags }, old;

    sigemptyset(&a.sa_mask);
    if (h == SIG_ERR)
        return (sighandler_t)posix(-EINVAL);
    return sigaction(sig, &a, &old) ? SIG_ERR : old.sa_handler;
}
HOOK sighandler_t signal(int sig, sighandler_t h)
{
    return vthr_active ? set_handler(sig, h, SA_RESTART) : REAL(signal)(sig, h);
}
HOOK sighandler_t bsd_signal(int, sighandler_t) ALIAS(signal);
HOOK sighandler_t ssignal(int, sighandler_t) ALIAS(signal);
HOOK sighandler_t __sysv_signal(int sig, sighandler_t h)
{
    return set_handler(sig, h, (int)SA_RESETHAND | SA_NODEFER);
}
HOOK sighandler_t sysv_signal(int, sighandler_t) ALIAS(__sysv_signal);
HOOK int siginterrupt(int sig, int interrupt)
{
    struct sigaction a;

    if (sigaction(sig, NULL, &a))
        return -1;
    a.sa_flags = interrupt ? a.sa_flags & ~SA_RESTART : a.sa_flags | SA_RESTART;
    return sigaction(sig, &a, NULL);
}

static int change_mask(struct vthread *v, int how, const sigset_t *set, sigset_t *old)
{
    uint64_t new_bits, old_bits;
    int r;

    if (set)
        new_bits = bits_of(set);
    r = signal_mask(v, how, set ? &new_bits : NULL, &old_bits);
    if (r == 0 && old)
        to_set(old, old_bits);
    return r;
}
HOOK int pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    struct vthread *v = virtual_self();

    return v ? -change_mask(v, how, set, old) : REAL(pthread_sigmask)(how, set, old);
}
HOOK int sigprocmask(int how, const sigset_t *set, sigset_t *old)
{
    struct vthread *v = virtual_self();

    return v ? (int)posix(change_mask(v, how, set, old)) : REAL(sigprocmask)(how, set, old);
}
HOOK int sigpending(sigset_t *set)
{
    struct vthread *v = vthr_parkable();

    if (!v)
        return REAL(sigpending)(set);
    to_set(set, signal_pending(v) & v->sigmask);
    return 0;
}

HOOK int sigsuspend(const sigset_t *set)
{
    struct vthread *v = vthr_parkable();

    return v ? (int)posix(signal_suspend(v, bits_of(set))) : REAL(sigsuspend)(set);
}
HOOK int pause(void)
{
    struct vthread *v = vthr_parkable();

    return v ? (int)posix(signal_suspend(v, v->sigmask)) : REAL(pause)();
}

/* --- The older families, of System V and BSD.  libc makes them of the functions above, inside itself: here of the hooks. --- */
static int change_one(int how, int sig, sigset_t *old)
{
    sigset_t one;

    sigemptyset(&one);
    return sigaddset(&one, sig) ? -1 : sigprocmask(how, &one, old);
}
HOOK int sighold(int sig)
{
    return change_one(SIG_BLOCK, sig, NULL);
}
HOOK int sigrelse(int sig)
{
    return change_one(SIG_UNBLOCK, sig, NULL);
}
static int set_disposition(int sig, sighandler_t h, struct sigaction *old)
{
    struct sigaction a = { .sa_handler = h };

    sigemptyset(&a.sa_mask);
    return sigaction(sig, &a, old);
}
HOOK int sigignore(int sig)
{
    return set_disposition(sig, SIG_IGN, NULL);
}
HOOK sighandler_t sigset(int sig, sighandler_t h)
{
    struct sigaction was;
    sigset_t blocked;

    if (h == SIG_HOLD ? sigaction(sig, NULL, &was) : set_disposition(sig, h, &was))
        return SIG_ERR;
    if (change_one(h == SIG_HOLD ? SIG_BLOCK : SIG_UNBLOCK, sig, &blocked))
        return SIG_ERR;
    return sigismember(&blocked, sig) ? SIG_HOLD : was.sa_handler;
}

/* Masks of BSD are an int: the first 32 signals. */
static sigset_t wide_mask(int mask)
{
    sigset_t s;

    to_set(&s, (unsigned)mask);
    return s;
}
static int change_old_mask(int how, int mask)
{
    sigset_t s = wide_mask(mask), old;

    return sigprocmask(how, &s, &old) ? -1 : (int)bits_of(&old);
}
HOOK int sigblock(int mask)
{
    return change_old_mask(SIG_BLOCK, mask);
}
HOOK int sigsetmask(int mask)
{
    return change_old_mask(SIG_SETMASK, mask);
}
HOOK int siggetmask(void)
{
    return change_old_mask(SIG_BLOCK, 0);
}
/* signal.h gives the name sigpause to the function of System V. */
HOOK int pause_with_mask(int mask) __asm__("sigpause");
int pause_with_mask(int mask)
{
    sigset_t s = wide_mask(mask);

    return sigsuspend(&s);
}
HOOK int pause_for_signal(int sig) __asm__("__xpg_sigpause");
int pause_for_signal(int sig)
{
    sigset_t s;

    if (sigprocmask(SIG_BLOCK, NULL, &s) || sigdelset(&s, sig))
        return -1;
    return sigsuspend(&s);
}
HOOK int __sigpause(int sig_or_mask, int is_sig)
{
    return is_sig ? pause_for_signal(sig_or_mask) : pause_with_mask(sig_or_mask);
}
HOOK int __sigsuspend(const sigset_t *) ALIAS(sigsuspend);

HOOK int sigtimedwait(const sigset_t *restrict set, siginfo_t *restrict info, const struct timespec *restrict t)
{
    struct vthread *v = vthr_parkable();
    siginfo_t mine;
    int r;

    if (!v)
        return REAL(sigtimedwait)(set, info, t);
    if (t && !ts_valid(t))
        return (int)posix(-EINVAL);
    r = signal_wait(v, bits_of(set), &mine, t ? deadline_after(t) : NO_DEADLINE);
    if (r > 0 && info)
        *info = mine;
    return (int)posix(r);
}
HOOK int sigwaitinfo(const sigset_t *restrict set, siginfo_t *restrict info)
{
    return vthr_parkable() ? sigtimedwait(set, info, NULL) : REAL(sigwaitinfo)(set, info);
}
HOOK int sigwait(const sigset_t *restrict set, int *restrict sig)
{
    struct vthread *v = vthr_parkable();
    siginfo_t info;
    int r;

    if (!v)
        return REAL(sigwait)(set, sig);
    do
        r = signal_wait(v, bits_of(set), &info, NO_DEADLINE);
    while (r == -EINTR); /* sigwait(3): never EINTR */
    if (r < 0)
        return -r;
    *sig = r;
    return 0;
}

HOOK int sigaltstack(const stack_t *restrict ss, stack_t *restrict old)
{
    struct vthread *v = vthr_self;

    if (!v)
        return REAL(sigaltstack)(ss, old);
    return (int)posix(signal_altstack(v, ss, old, (uintptr_t)__builtin_frame_address(0)));
}
