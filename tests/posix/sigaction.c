// sigaction: dispositions, flags, what a handler is given.
#include "suite.h"
#include <limits.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" // siginterrupt
#include <ucontext.h>

static atomic_int count, seen_sig, nested, depth, max_depth, code, pid_of, uid_of, value, blocked_self, blocked_other;
static pthread_t ran_on;

static void counting(int sig)
{
    seen_sig = sig;
    ran_on = pthread_self();
    count++;
}
static void set(int sig, void (*fn)(int), int flags)
{
    struct sigaction a = {.sa_handler = fn, .sa_flags = flags};
    CHECK_EQ(sigaction(sig, &a, NULL), 0);
}

// raise: "shall not return until after the signal handler does."
BOTH(raise_runs_the_handler_first, {
    set(SIGUSR1, counting, 0);
    for (int i = 1; i <= 3; i++) {
        CHECK_EQ(raise(SIGUSR1), 0);
        CHECK_EQ(count, i);
    }
    CHECK_EQ(seen_sig, SIGUSR1);
    CHECK(pthread_equal(ran_on, pthread_self()));
})

// sigaction: oact: "the action previously associated with the signal".
BOTH(old_action_is_stored, {
    struct sigaction a = {.sa_handler = counting, .sa_flags = SA_RESTART | SA_NODEFER}, old;
    sigemptyset(&a.sa_mask);
    sigaddset(&a.sa_mask, SIGUSR2);
    CHECK_EQ(sigaction(SIGUSR1, &a, &old), 0);
    CHECK(old.sa_handler == SIG_DFL);
    CHECK_EQ(sigaction(SIGUSR1, NULL, &old), 0);
    CHECK(old.sa_handler == counting);
    CHECK_EQ(old.sa_flags & (SA_RESTART | SA_NODEFER | SA_SIGINFO | SA_RESETHAND | SA_ONSTACK), SA_RESTART | SA_NODEFER);
    CHECK(sigismember(&old.sa_mask, SIGUSR2) && !sigismember(&old.sa_mask, SIGHUP));
})

// sigaction: [EINVAL] "an attempt was made to catch a signal that cannot be caught or ignore a signal that cannot be ignored", or "not a
// valid signal number".
BOTH(einval, {
    struct sigaction a = {.sa_handler = counting};
    errno = 0;
    CHECK_ERRNO(sigaction(SIGKILL, &a, NULL), EINVAL);
    CHECK_ERRNO(sigaction(SIGSTOP, &a, NULL), EINVAL);
    CHECK_ERRNO(sigaction(0, &a, NULL), EINVAL);
    CHECK_ERRNO(sigaction(65, &a, NULL), EINVAL);
    CHECK_ERRNO(sigaction(-1, &a, NULL), EINVAL);
    CHECK_EQ(sigaction(SIGKILL, NULL, &a), 0);
})

// sigaction: without SA_NODEFER "this mask is formed by taking the union of the current signal mask and the value of the sa_mask ...,
// and then including the signal being delivered."
static void look_at_mask(int sig)
{
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    blocked_self = sigismember(&now, sig);
    blocked_other = sigismember(&now, SIGUSR2);
    if (count++ == 0)
        raise(sig); // pending until this one returns
    nested = count;
}
BOTH(signal_is_blocked_in_its_handler, {
    set(SIGUSR1, look_at_mask, 0);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(blocked_self, 1);
    CHECK_EQ(blocked_other, 0);
    CHECK_EQ(count, 2); // the second one came when the first returned
})
static void first_then(int sig)
{
    int me = ++depth;
    if (me > max_depth)
        max_depth = me;
    if (count++ < 3)
        raise(sig);
    depth--;
}
BOTH(deferred_runs_after_not_within, {
    set(SIGUSR1, first_then, 0);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(count, 4);
    CHECK_EQ(max_depth, 1);
})
// sigaction: SA_NODEFER: "the signal shall not be added to the thread's signal mask on entry to the signal handler".
BOTH(nodefer_nests, {
    set(SIGUSR1, first_then, SA_NODEFER);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(count, 4);
    CHECK_EQ(max_depth, 4);
})
// sa_mask is in force in the handler, and "when the signal handler returns, the original signal mask is restored".
BOTH(sa_mask_is_in_force, {
    struct sigaction a = {.sa_handler = look_at_mask};
    sigset_t now;
    sigemptyset(&a.sa_mask);
    sigaddset(&a.sa_mask, SIGUSR2);
    CHECK_EQ(sigaction(SIGUSR1, &a, NULL), 0);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(blocked_other, 1);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
    CHECK(!sigismember(&now, SIGUSR1) && !sigismember(&now, SIGUSR2));
})
// SIGKILL and SIGSTOP in sa_mask have no effect.
BOTH(sa_mask_cannot_block_kill, {
    struct sigaction a = {.sa_handler = look_at_mask}, old;
    sigfillset(&a.sa_mask);
    CHECK_EQ(sigaction(SIGUSR1, &a, NULL), 0);
    CHECK_EQ(sigaction(SIGUSR1, NULL, &old), 0);
    CHECK(!sigismember(&old.sa_mask, SIGKILL) && !sigismember(&old.sa_mask, SIGSTOP));
})
// A mask that the handler changes by pthread_sigmask does not outlive it.
static void change_mask(int sig)
{
    sigset_t s;
    (void)sig;
    sigemptyset(&s);
    sigaddset(&s, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &s, NULL);
    count++;
}
BOTH(mask_change_in_handler_is_undone, {
    sigset_t now;
    set(SIGUSR1, change_mask, 0);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(count, 1);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
    CHECK(!sigismember(&now, SIGHUP));
})
// But one in the ucontext does: "the receiving process' context ... was interrupted", and is restored from there (Linux).
static void change_context(int sig, siginfo_t *i, void *uc)
{
    (void)sig;
    (void)i;
    sigaddset(&((ucontext_t *)uc)->uc_sigmask, SIGHUP);
}
BOTH(mask_in_ucontext_is_used, {
    struct sigaction a = {.sa_sigaction = change_context, .sa_flags = SA_SIGINFO};
    sigset_t now;
    CHECK_EQ(sigaction(SIGUSR1, &a, NULL), 0);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
    CHECK(sigismember(&now, SIGHUP));
})
// sigaction: SA_RESETHAND: "the disposition of the signal shall be reset to SIG_DFL and the SA_SIGINFO flag shall be cleared on
// entry to the signal handler."
static void look_at_action(int sig)
{
    struct sigaction a;
    sigaction(sig, NULL, &a);
    count += a.sa_handler == SIG_DFL ? 1 : 100;
}
BOTH(resethand, {
    struct sigaction a;
    set(SIGUSR1, look_at_action, SA_RESETHAND);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(count, 1);
    CHECK_EQ(sigaction(SIGUSR1, NULL, &a), 0);
    CHECK(a.sa_handler == SIG_DFL);
})
// SIGCHLD, SIGURG, SIGWINCH, SIGCONT: ignored by default.
BOTH(default_is_ignore, {
    CHECK_EQ(raise(SIGCHLD), 0);
    CHECK_EQ(raise(SIGURG), 0);
    CHECK_EQ(raise(SIGWINCH), 0);
    CHECK_EQ(raise(SIGCONT), 0);
})
// SIG_IGN: "Delivery of the signal shall have no effect on the process."
BOTH(ignored, {
    set(SIGTERM, SIG_IGN, 0);
    CHECK_EQ(raise(SIGTERM), 0);
    CHECK_EQ(kill(getpid(), SIGTERM), 0);
    CHECK_EQ(pthread_kill(pthread_self(), SIGTERM), 0);
})
// SA_SIGINFO: si_signo, si_code, si_pid, si_uid (kill, raise, pthread_kill).
static void info(int sig, siginfo_t *i, void *uc)
{
    CHECK(i != NULL && uc != NULL);
    CHECK_EQ(i->si_signo, sig);
    code = i->si_code;
    pid_of = i->si_pid;
    uid_of = (int)i->si_uid;
    value = i->si_value.sival_int;
    count++;
}
static void set_info(int sig)
{
    struct sigaction a = {.sa_sigaction = info, .sa_flags = SA_SIGINFO};
    CHECK_EQ(sigaction(sig, &a, NULL), 0);
}
BOTH(siginfo_of_raise, {
    set_info(SIGUSR1);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(code, SI_TKILL);
    CHECK_EQ(pid_of, getpid());
    CHECK_EQ(uid_of, (int)getuid());
})
BOTH(siginfo_of_kill, {
    set_info(SIGUSR1);
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    until(&count);
    CHECK_EQ(code, SI_USER);
    CHECK_EQ(pid_of, getpid());
})
BOTH(siginfo_of_sigqueue, {
    set_info(SIGUSR1);
    CHECK_EQ(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 4711}), 0);
    until(&count);
    CHECK_EQ(code, SI_QUEUE);
    CHECK_EQ(value, 4711);
    CHECK_EQ(pid_of, getpid());
})
BOTH(siginfo_of_pthread_sigqueue, {
    set_info(SIGUSR1);
    CHECK_EQ(pthread_sigqueue(pthread_self(), SIGUSR1, (union sigval){.sival_int = 99}), 0);
    CHECK_EQ(count, 1);
    CHECK_EQ(code, SI_QUEUE);
    CHECK_EQ(value, 99);
})
BOTH(siginfo_of_child, {
    set_info(SIGCHLD);
    pid_t pid = fork();
    if (pid == 0)
        _exit(3);
    until(&count);
    CHECK_EQ(code, CLD_EXITED);
    CHECK_EQ(pid_of, pid);
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
})
// Synchronous ones: si_addr and si_code.
static void *volatile bad_address = (void *)8;
static void *fault_addr;
#include <setjmp.h>
static sigjmp_buf env;
static void fault(int sig, siginfo_t *i, void *uc)
{
    (void)uc;
    seen_sig = sig;
    code = i->si_code;
    fault_addr = i->si_addr;
    siglongjmp(env, 1);
}
static void set_fault(int sig)
{
    struct sigaction a = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO};
    CHECK_EQ(sigaction(sig, &a, NULL), 0);
}
BOTH(segv_maperr, {
    set_fault(SIGSEGV);
    if (sigsetjmp(env, 1) == 0)
        *(volatile int *)bad_address = 1;
    CHECK_EQ(seen_sig, SIGSEGV);
    CHECK_EQ(code, SEGV_MAPERR);
    CHECK(fault_addr == bad_address);
})
BOTH(segv_accerr, {
    static char *page;
    page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    set_fault(SIGSEGV);
    if (sigsetjmp(env, 1) == 0)
        *(volatile char *)page = 1;
    CHECK_EQ(code, SEGV_ACCERR);
    CHECK(fault_addr == page);
})
BOTH(fpe_intdiv, {
    static volatile int zero, ten = 10;
    set_fault(SIGFPE);
    if (sigsetjmp(env, 1) == 0)
        ten = ten / zero;
    CHECK_EQ(seen_sig, SIGFPE);
    CHECK_EQ(code, FPE_INTDIV);
})
BOTH(ill, {
    set_fault(SIGILL);
    if (sigsetjmp(env, 1) == 0)
        __asm__ volatile("ud2");
    CHECK_EQ(seen_sig, SIGILL);
})
// abort: "shall ... raise SIGABRT"; a handler that jumps out keeps the process.
BOTH(abort_caught, {
    set_fault(SIGABRT);
    if (sigsetjmp(env, 1) == 0)
        abort();
    CHECK_EQ(seen_sig, SIGABRT);
})
// signal: BSD semantics on Linux: stays installed, SA_RESTART; returns the previous one; SIG_ERR for a bad number.
BOTH(signal_function, {
    struct sigaction a;
    CHECK(signal(SIGUSR1, counting) == SIG_DFL);
    CHECK(signal(SIGUSR1, counting) == counting);
    CHECK_EQ(sigaction(SIGUSR1, NULL, &a), 0);
    CHECK(a.sa_flags & SA_RESTART);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(count, 2);
    errno = 0;
    CHECK(signal(SIGKILL, counting) == SIG_ERR);
    CHECK_EQ(errno, EINVAL);
})
// siginterrupt: "if flag is 0 ... SA_RESTART shall be set".
BOTH(siginterrupt_function, {
    struct sigaction a;
    set(SIGUSR1, counting, 0);
    CHECK_EQ(siginterrupt(SIGUSR1, 0), 0);
    CHECK_EQ(sigaction(SIGUSR1, NULL, &a), 0);
    CHECK(a.sa_flags & SA_RESTART);
    CHECK_EQ(siginterrupt(SIGUSR1, 1), 0);
    CHECK_EQ(sigaction(SIGUSR1, NULL, &a), 0);
    CHECK(!(a.sa_flags & SA_RESTART));
})
// errno survives a handler that saves none? "the value of errno is saved and restored" is the handler's duty; the delivery itself must
// not change it.
BOTH(delivery_keeps_errno, {
    set(SIGUSR1, counting, 0);
    errno = 77;
    raise(SIGUSR1);
    pthread_kill(pthread_self(), SIGUSR1);
    CHECK_EQ(errno, 77);
})
// Handlers in handlers: another signal interrupts the first one's handler.
static void inner(int sig) { (void)sig; nested = depth; }
static void outer(int sig)
{
    (void)sig;
    depth = 1;
    raise(SIGUSR2);
    depth = 2;
}
BOTH(handlers_nest, {
    set(SIGUSR1, outer, 0);
    set(SIGUSR2, inner, 0);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(nested, 1);
    CHECK_EQ(depth, 2);
})
// 2.4.3: a handler may call async-signal-safe functions, blocking ones too.
static int p[2];
static void blocking_handler(int sig)
{
    char c;
    struct timespec t = {0, 1000000};
    (void)sig;
    nanosleep(&t, NULL);
    CHECK_EQ(read(p[0], &c, 1), 1);
    count++;
}
static void *feeder(void *arg)
{
    settle();
    CHECK_EQ(write(p[1], "x", 1), 1);
    return arg;
}
BOTH(handler_may_block, {
    CHECK_EQ(pipe(p), 0);
    set(SIGUSR1, blocking_handler, 0);
    pthread_t t = start(feeder, NULL);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(count, 1);
    finish(t);
})

// sigaction: "Setting a signal action to SIG_IGN for a signal that is pending shall cause the pending signal to be discarded, whether or
// not it is blocked."  Also one that is pending for a thread.
static void discards(int sig, void (*action)(int))
{
    sigset_t set, pending;
    CHECK_EQ(sigemptyset(&set), 0);
    CHECK_EQ(sigaddset(&set, sig), 0);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    CHECK_EQ(pthread_kill(pthread_self(), sig), 0);
    CHECK_EQ(sigpending(&pending), 0);
    CHECK_EQ(sigismember(&pending, sig), 1);
    CHECK(signal(sig, action) != SIG_ERR);
    CHECK_EQ(sigpending(&pending), 0);
    CHECK_EQ(sigismember(&pending, sig), 0);
    CHECK(signal(sig, SIG_DFL) != SIG_ERR);
    CHECK_EQ(pthread_sigmask(SIG_UNBLOCK, &set, NULL), 0); // it would end the process
}
BOTH(sig_ign_discards, { discards(SIGUSR1, SIG_IGN); discards(SIGRTMIN, SIG_IGN); })
static void nothing_done(int sig) { (void)sig; }
BOTH(ignored_by_default_discards, {
    CHECK(signal(SIGWINCH, nothing_done) != SIG_ERR);
    discards(SIGWINCH, SIG_DFL);
})
