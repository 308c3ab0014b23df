// Masks, pending sets, sigsuspend, sigwait and friends, signalfd.
#include "suite.h"
#include <sys/signalfd.h>

static atomic_int count, in, got, go;
static void counting(int sig) { (void)sig; count++; }
static void set(int sig, void (*fn)(int))
{
    struct sigaction a = {.sa_handler = fn};
    CHECK_EQ(sigaction(sig, &a, NULL), 0);
}
static sigset_t of(int a, int b)
{
    sigset_t s;
    sigemptyset(&s);
    if (a)
        sigaddset(&s, a);
    if (b)
        sigaddset(&s, b);
    return s;
}
static void block(int sig)
{
    sigset_t s = of(sig, 0);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &s, NULL), 0);
}
static int is_pending(int sig)
{
    sigset_t s;
    CHECK_EQ(sigpending(&s), 0);
    return sigismember(&s, sig);
}

// pthread_sigmask: SIG_BLOCK: "the union of the current set and the signal set pointed to by set"; SIG_UNBLOCK, SIG_SETMASK.
BOTH(how, {
    sigset_t a = of(SIGUSR1, 0), b = of(SIGUSR2, 0), old;
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &a, &old), 0);
    CHECK(!sigismember(&old, SIGUSR1));
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &b, &old), 0);
    CHECK(sigismember(&old, SIGUSR1) && !sigismember(&old, SIGUSR2));
    CHECK_EQ(pthread_sigmask(SIG_UNBLOCK, &a, &old), 0);
    CHECK(sigismember(&old, SIGUSR1) && sigismember(&old, SIGUSR2));
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &a, &old), 0);
    CHECK(!sigismember(&old, SIGUSR1) && sigismember(&old, SIGUSR2));
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &old), 0);
    CHECK(sigismember(&old, SIGUSR1) && !sigismember(&old, SIGUSR2));
})
// pthread_sigmask: [EINVAL]; with set NULL "the value of the argument how is not significant".
BOTH(how_einval, {
    sigset_t a = of(SIGUSR1, 0);
    CHECK_EQ(pthread_sigmask(4711, &a, NULL), EINVAL);
    CHECK_EQ(pthread_sigmask(4711, NULL, &a), 0);
    CHECK_ERRNO(sigprocmask(4711, &a, NULL), EINVAL);
})
// pthread_sigmask: "It is not possible to block those signals which cannot be ignored. This shall be enforced by the system without causing
// an error to be indicated."
BOTH(kill_and_stop_cannot_be_blocked, {
    sigset_t all, old;
    sigfillset(&all);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &all, NULL), 0);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &old), 0);
    CHECK(!sigismember(&old, SIGKILL) && !sigismember(&old, SIGSTOP));
    CHECK(sigismember(&old, SIGTERM) && sigismember(&old, SIGRTMAX));
})
// pthread_sigmask: "If there are any pending unblocked signals after the call to sigprocmask(), at least one of those signals shall be
// delivered before the call to sigprocmask() returns."
BOTH(delivered_before_unblock_returns, {
    sigset_t s = of(SIGUSR1, 0);
    set(SIGUSR1, counting);
    block(SIGUSR1);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(count, 0);
    CHECK_EQ(is_pending(SIGUSR1), 1);
    CHECK_EQ(pthread_sigmask(SIG_UNBLOCK, &s, NULL), 0);
    CHECK_EQ(count, 1);
    CHECK_EQ(is_pending(SIGUSR1), 0);
})
// The same for one that is pending for the process: all threads have it blocked.
LONE(process_pending_delivered_at_unblock)
{
    sigset_t s = of(SIGUSR1, 0);
    set(SIGUSR1, counting);
    block(SIGUSR1);
    pthread_t t = start(suite_on_thread, (void *)suite_nothing);
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    CHECK_EQ(is_pending(SIGUSR1), 1);
    CHECK_EQ(pthread_sigmask(SIG_UNBLOCK, &s, NULL), 0);
    CHECK_EQ(count, 1);
    finish(t);
}
// sigpending: ordinary signals are pending once, however often they are sent.
BOTH(ordinary_signals_do_not_queue, {
    sigset_t s = of(SIGUSR1, 0);
    set(SIGUSR1, counting);
    block(SIGUSR1);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(pthread_kill(pthread_self(), SIGUSR1), 0);
    CHECK_EQ(pthread_sigmask(SIG_UNBLOCK, &s, NULL), 0);
    CHECK_EQ(count, 1);
})
// Each thread has its own mask and pending set.
static void *masks_differ(void *arg)
{
    sigset_t now;
    block(SIGUSR2);
    CHECK_EQ(raise(SIGUSR2), 0);
    CHECK_EQ(is_pending(SIGUSR2), 1);
    in = 1;
    until(&go);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
    CHECK(!sigismember(&now, SIGHUP));
    return arg;
}
LONE(mask_and_pending_are_the_threads)
{
    sigset_t now;
    pthread_t t = start(masks_differ, NULL);
    until(&in);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
    CHECK(!sigismember(&now, SIGUSR2));
    CHECK_EQ(is_pending(SIGUSR2), 0);
    block(SIGHUP);
    go = 1;
    finish(t);
}
// sigsuspend: "shall replace the current signal mask of the calling thread ... then suspend the thread until delivery of a signal whose action
// is ... to execute a signal-catching function"; returns -1, EINTR; "the signal mask [is] restored to the set that existed prior to the call".
BOTH(sigsuspend_of_pending, {
    sigset_t none, now;
    sigemptyset(&none);
    set(SIGUSR1, counting);
    block(SIGUSR1);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_ERRNO(sigsuspend(&none), EINTR);
    CHECK_EQ(count, 1);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
    CHECK(sigismember(&now, SIGUSR1));
})
static void *suspend(void *arg)
{
    sigset_t none;
    sigemptyset(&none);
    block(SIGUSR1);
    in = 1;
    CHECK_ERRNO(sigsuspend(&none), EINTR);
    CHECK_EQ(count, 1);
    return arg;
}
LONE(sigsuspend_waits_for_one)
{
    set(SIGUSR1, counting);
    pthread_t t = start(suspend, NULL);
    until(&in);
    CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
    finish(t);
}
// pause: "suspend the calling thread until delivery of a signal whose action is either to execute a signal-catching function ...";
static void *pauser(void *arg)
{
    CHECK_ERRNO(pause(), EINTR);
    got = 1;
    return arg;
}
LONE(pause_returns_after_a_handler)
{
    set(SIGUSR1, counting);
    pthread_t t = start(pauser, NULL);
    while (!got) {
        CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
        settle();
    }
    finish(t);
    CHECK(count > 0);
}
LONE(pause_ignores_ignored)
{
    set(SIGUSR1, counting);
    set(SIGUSR2, SIG_IGN);
    pthread_t t = start(pauser, NULL);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(pthread_kill(t, SIGUSR2), 0);
        settle();
    }
    CHECK_EQ(got, 0);
    while (!got) {
        CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
        settle();
    }
    finish(t);
}
// sigwait: "shall select a pending signal from set, atomically clear it from the system's set of pending signals, and return that signal number".
BOTH(sigwait_pending, {
    sigset_t s = of(SIGUSR1, 0);
    int sig = 0;
    block(SIGUSR1);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(sigwait(&s, &sig), 0);
    CHECK_EQ(sig, SIGUSR1);
    CHECK_EQ(is_pending(SIGUSR1), 0);
})
static void *waiter(void *arg)
{
    sigset_t s = of(SIGUSR1, SIGUSR2);
    int sig = 0;
    CHECK_EQ(sigwait(&s, &sig), 0);
    got = sig;
    return arg;
}
LONE(sigwait_of_pthread_kill)
{
    block(SIGUSR1);
    block(SIGUSR2);
    pthread_t t = start(waiter, NULL);
    CHECK_EQ(pthread_kill(t, SIGUSR2), 0);
    finish(t);
    CHECK_EQ(got, SIGUSR2);
}
LONE(sigwait_of_kill)
{
    block(SIGUSR1);
    block(SIGUSR2);
    pthread_t t = start(waiter, NULL);
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    finish(t);
    CHECK_EQ(got, SIGUSR1);
}
// sigwait: "If more than one thread is using sigwait() to wait for the same signal, no more than one of these threads shall return".
static void *one_of(void *arg)
{
    sigset_t s = of(SIGUSR1, 0);
    int sig;
    CHECK_EQ(sigwait(&s, &sig), 0);
    got++;
    return arg;
}
LONE(sigwait_wakes_one_each)
{
    pthread_t t[4];
    block(SIGUSR1);
    for (int i = 0; i < 4; i++)
        t[i] = start(one_of, NULL);
    for (int i = 1; i <= 4; i++) {
        CHECK_EQ(kill(getpid(), SIGUSR1), 0);
        while (got < i)
            settle();
        CHECK_EQ(got, i);
    }
    for (int i = 0; i < 4; i++)
        finish(t[i]);
}
// sigtimedwait: [EAGAIN] "No signal specified by set was generated within the specified timeout period."; zero: at once.
BOTH(sigtimedwait_times_out, {
    sigset_t s = of(SIGUSR1, 0);
    struct timespec zero = {0, 0}, little = {0, 2000000}, bad = {0, 1000000000}, at = in_ms(CLOCK_MONOTONIC, 2);
    siginfo_t i;
    block(SIGUSR1);
    CHECK_ERRNO(sigtimedwait(&s, &i, &zero), EAGAIN);
    CHECK_ERRNO(sigtimedwait(&s, &i, &little), EAGAIN);
    CHECK(reached(CLOCK_MONOTONIC, at));
    CHECK_ERRNO(sigtimedwait(&s, &i, &bad), EINVAL);
})
// sigwaitinfo: si_signo, si_code and si_value.
BOTH(sigwaitinfo_values, {
    sigset_t s = of(SIGRTMIN + 1, 0);
    siginfo_t i;
    block(SIGRTMIN + 1);
    CHECK_EQ(pthread_sigqueue(pthread_self(), SIGRTMIN + 1, (union sigval){.sival_int = 5}), 0);
    CHECK_EQ(sigwaitinfo(&s, &i), SIGRTMIN + 1);
    CHECK_EQ(i.si_signo, SIGRTMIN + 1);
    CHECK_EQ(i.si_code, SI_QUEUE);
    CHECK_EQ(i.si_value.sival_int, 5);
})
// sigwaitinfo: [EINTR] "The wait was interrupted by an unblocked, caught signal."
static void *wait_interrupted(void *arg)
{
    sigset_t s = of(SIGUSR1, 0);
    siginfo_t i;
    CHECK_ERRNO(sigwaitinfo(&s, &i), EINTR);
    got = 1;
    return arg;
}
LONE(sigwaitinfo_eintr)
{
    set(SIGUSR2, counting);
    block(SIGUSR1);
    pthread_t t = start(wait_interrupted, NULL);
    while (!got) {
        CHECK_EQ(pthread_kill(t, SIGUSR2), 0);
        settle();
    }
    finish(t);
}
// The handler is not called for a signal that is waited for.
BOTH(no_handler_for_awaited, {
    sigset_t s = of(SIGUSR1, 0);
    int sig;
    set(SIGUSR1, counting);
    block(SIGUSR1);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(sigwait(&s, &sig), 0);
    CHECK_EQ(pthread_sigmask(SIG_UNBLOCK, &s, NULL), 0);
    CHECK_EQ(count, 0);
})
// signalfd(2): reads signals that are pending for the process or the reader.
LONE(signalfd_of_kill)
{
    sigset_t s = of(SIGUSR1, SIGUSR2);
    struct signalfd_siginfo i;
    finish(start(suite_on_thread, (void *)suite_nothing));
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &s, NULL), 0);
    int fd = signalfd(-1, &s, 0);
    CHECK(fd >= 0);
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    CHECK_EQ(read(fd, &i, sizeof i), sizeof i);
    CHECK_EQ(i.ssi_signo, SIGUSR1);
    CHECK_EQ(i.ssi_pid, getpid());
    CHECK_EQ(kill(getpid(), SIGUSR2), 0);
    CHECK_EQ(read(fd, &i, sizeof i), sizeof i);
    CHECK_EQ(i.ssi_signo, SIGUSR2);
    close(fd);
}
static int sfd;
static void *read_sfd(void *arg)
{
    struct signalfd_siginfo i;
    CHECK_EQ(read(sfd, &i, sizeof i), sizeof i);
    got = (int)i.ssi_signo;
    return arg;
}
LONE(signalfd_blocking_reader)
{
    sigset_t s = of(SIGUSR1, 0);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &s, NULL), 0);
    sfd = signalfd(-1, &s, 0);
    pthread_t t = start(read_sfd, NULL);
    settle();
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    finish(t);
    CHECK_EQ(got, SIGUSR1);
}
LONE(signalfd_nonblocking_and_poll)
{
    sigset_t s = of(SIGUSR1, 0);
    struct signalfd_siginfo i;
    finish(start(suite_on_thread, (void *)suite_nothing));
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &s, NULL), 0);
    int fd = signalfd(-1, &s, SFD_NONBLOCK);
    struct pollfd p = {fd, POLLIN, 0};
    CHECK_ERRNO(read(fd, &i, sizeof i), EAGAIN);
    CHECK_EQ(poll(&p, 1, 0), 0);
    CHECK_EQ(kill(getpid(), SIGUSR1), 0);
    CHECK_EQ(poll(&p, 1, -1), 1);
    CHECK_EQ(read(fd, &i, sizeof i), sizeof i);
}
// ppoll, pselect: the mask is in force in the wait, atomically, and restored.
#include <sys/select.h>
BOTH(ppoll_mask, {
    sigset_t none, now;
    struct timespec t = {60, 0};
    sigemptyset(&none);
    set(SIGUSR1, counting);
    block(SIGUSR1);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_ERRNO(ppoll(NULL, 0, &t, &none), EINTR);
    CHECK_EQ(count, 1);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
    CHECK(sigismember(&now, SIGUSR1));
})
BOTH(pselect_mask, {
    sigset_t none, now;
    struct timespec t = {60, 0};
    sigemptyset(&none);
    set(SIGUSR1, counting);
    block(SIGUSR1);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_ERRNO(pselect(0, NULL, NULL, NULL, &t, &none), EINTR);
    CHECK_EQ(count, 1);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
    CHECK(sigismember(&now, SIGUSR1));
})
