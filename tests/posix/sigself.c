// Signals that a thread sends to its own process, by every call there is: delivered before the call returns.
//
// kill: "If the value of pid causes sig to be generated for the sending process, and if sig is not blocked for the calling thread and if no
// other thread has sig unblocked or is waiting in a sigwait() function for sig, either sig or at least one pending unblocked signal
// shall be delivered to the sending thread before kill() returns."  sigqueue: the same.
#include "suite.h"
#include <sys/pidfd.h>

static atomic_int count, code, value, go, in;
static pthread_t taker;
static void counting(int sig, siginfo_t *info, void *uc)
{
    (void)uc;
    atomic_fetch_add(&count, 1);
    atomic_store(&code, info->si_code);
    atomic_store(&value, sig == SIGRTMIN ? info->si_value.sival_int : 0);
    taker = pthread_self();
}
static void blocked(int how)
{
    sigset_t s;
    sigemptyset(&s);
    sigaddset(&s, SIGUSR1);
    sigaddset(&s, SIGRTMIN);
    CHECK_EQ(pthread_sigmask(how, &s, NULL), 0);
}
static siginfo_t queued(int sig, int n)
{
    siginfo_t i;
    memset(&i, 0, sizeof i);
    i.si_signo = sig;
    i.si_code = SI_QUEUE;
    i.si_pid = getpid();
    i.si_uid = getuid();
    i.si_value.sival_int = n;
    return i;
}

// One way to send, the n-th time; the handler is to see this code.
static int self;
static int by_kill(int n) { (void)n; return kill(getpid(), SIGUSR1); }
static int by_kill_0(int n) { (void)n; return kill(0, SIGUSR1); }
static int by_kill_group(int n) { (void)n; return kill(-getpgrp(), SIGUSR1); }
static int by_killpg(int n) { (void)n; return killpg(getpgrp(), SIGUSR1); }
static int by_raw_kill(int n) { (void)n; return (int)syscall(SYS_kill, getpid(), SIGUSR1); }
static int by_sigqueue(int n) { return sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = n}); }
static int by_raw_sigqueue(int n)
{
    siginfo_t i = queued(SIGRTMIN, n);
    return (int)syscall(SYS_rt_sigqueueinfo, getpid(), SIGRTMIN, &i);
}
static int by_pidfd(int n) { (void)n; return pidfd_send_signal(self, SIGUSR1, NULL, 0); }
static int by_raw_pidfd(int n) { (void)n; return (int)syscall(SYS_pidfd_send_signal, self, SIGUSR1, NULL, 0); }
static int by_pidfd_value(int n)
{
    siginfo_t i = queued(SIGRTMIN, n);
    return pidfd_send_signal(self, SIGRTMIN, &i, 0);
}
// These are for the thread.
static int by_raise(int n) { (void)n; return raise(SIGUSR1); }
static int by_pthread_kill(int n) { (void)n; return pthread_kill(pthread_self(), SIGUSR1); }
static int by_tgkill(int n) { (void)n; return tgkill(getpid(), gettid(), SIGUSR1); }
static int by_raw_tgkill(int n) { (void)n; return (int)syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1); }
static int by_raw_tkill(int n) { (void)n; return (int)syscall(SYS_tkill, gettid(), SIGUSR1); }
static int by_pthread_sigqueue(int n) { return pthread_sigqueue(pthread_self(), SIGRTMIN, (union sigval){.sival_int = n}); }
static int by_raw_tgsigqueue(int n)
{
    siginfo_t i = queued(SIGRTMIN, n);
    return (int)syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGRTMIN, &i);
}

static struct way {
    int (*send)(int);
    int code;
} way;
static void *other(void *arg)
{
    atomic_store(&in, 1);
    until(&go);
    return arg;
}
static void *send_to_self(void *arg)
{
    blocked(SIG_UNBLOCK);
    for (int n = 1; n <= 5; n++) {
        CHECK_EQ(way.send(n), 0);
        CHECK_EQ(atomic_load(&count), n);
        CHECK_EQ(atomic_load(&code), way.code);
        CHECK(pthread_equal(taker, pthread_self()));
        CHECK_EQ(atomic_load(&value), way.code == SI_QUEUE ? n : 0);
    }
    return arg;
}
static void delivered(int (*send)(int), int how, int in_main)
{
    struct sigaction a;
    way = (struct way){send, how};
    memset(&a, 0, sizeof a);
    a.sa_sigaction = counting;
    a.sa_flags = SA_SIGINFO;
    CHECK_EQ(sigaction(SIGUSR1, &a, NULL), 0);
    CHECK_EQ(sigaction(SIGRTMIN, &a, NULL), 0);
    CHECK(getpgrp() == getpid() || setpgid(0, 0) == 0);
    CHECK((self = pidfd_open(getpid(), 0)) >= 0);
    blocked(SIG_BLOCK); // for the other threads
    pthread_t t = start(other, NULL);
    until(&in);
    if (in_main)
        send_to_self(NULL);
    else
        finish(start(send_to_self, NULL));
    atomic_store(&go, 1);
    finish(t);
}
#define WAY(name, code)                                                                            \
    LONE(name##_of_main) { delivered(by_##name, code, 1); }                                        \
    LONE(name##_of_thread) { delivered(by_##name, code, 0); }
WAY(kill, SI_USER)
WAY(kill_0, SI_USER)
WAY(kill_group, SI_USER)
WAY(killpg, SI_USER)
WAY(raw_kill, SI_USER)
WAY(sigqueue, SI_QUEUE)
WAY(raw_sigqueue, SI_QUEUE)
WAY(pidfd, SI_USER)
WAY(raw_pidfd, SI_USER)
WAY(pidfd_value, SI_QUEUE)
WAY(raise, SI_TKILL)
WAY(pthread_kill, SI_TKILL)
WAY(tgkill, SI_TKILL)
WAY(raw_tgkill, SI_TKILL)
WAY(raw_tkill, SI_TKILL)
WAY(pthread_sigqueue, SI_QUEUE)
WAY(raw_tgsigqueue, SI_QUEUE)

// rt_sigqueueinfo(2): "a process may not pretend ... that the signal came from kill" (EPERM), but to itself.
static void *pretend(void *arg)
{
    siginfo_t i = queued(SIGUSR1, 0);
    pid_t *main_number = arg;
    i.si_code = SI_USER;
    if (gettid() != *main_number) {
        CHECK_ERRNO(syscall(SYS_rt_tgsigqueueinfo, getpid(), *main_number, SIGUSR1, &i), EPERM);
        CHECK_ERRNO(syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &i), EPERM);
    }
    CHECK_EQ(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGUSR1, &i), 0);
    return arg;
}
LONE(pretended_codes)
{
    pid_t number = gettid();
    struct sigaction a;
    memset(&a, 0, sizeof a);
    a.sa_sigaction = counting;
    a.sa_flags = SA_SIGINFO;
    CHECK_EQ(sigaction(SIGUSR1, &a, NULL), 0);
    finish(start(pretend, &number));
    CHECK_EQ(atomic_load(&count), 1);
    pretend(&number);
    CHECK_EQ(atomic_load(&count), 2);
    CHECK_EQ(atomic_load(&code), SI_USER);
}
// The same calls: [EINVAL] a signal that there is not, 0 only asks, [ESRCH] a thread that there is not, [EBADF] and [EINVAL] of a pidfd.
BOTH(errors, {
    siginfo_t i = queued(SIGUSR1, 0);
    int fd = pidfd_open(getpid(), 0);
    CHECK_ERRNO(kill(getpid(), 65), EINVAL);
    CHECK_ERRNO(kill(0, 65), EINVAL);
    CHECK_ERRNO(killpg(getpgrp(), 65), EINVAL);
    CHECK_ERRNO(sigqueue(getpid(), 65, i.si_value), EINVAL);
    CHECK_ERRNO(syscall(SYS_tgkill, getpid(), 0x3fffffff, 0), ESRCH);
    CHECK_ERRNO(syscall(SYS_rt_tgsigqueueinfo, getpid(), 0x3fffffff, SIGUSR1, &i), ESRCH);
    CHECK_EQ(kill(getpid(), 0), 0);
    CHECK_EQ(kill(0, 0), 0);
    CHECK_EQ(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), 0, &i), 0);
    CHECK_EQ(pidfd_send_signal(fd, 0, NULL, 0), 0);
    CHECK_ERRNO(pidfd_send_signal(fd, 65, NULL, 0), EINVAL);
    CHECK_ERRNO(pidfd_send_signal(fd, SIGUSR2, &i, 0), EINVAL); // another number than in it
    CHECK_ERRNO(pidfd_send_signal(-1, SIGUSR1, NULL, 0), EBADF);
    CHECK_ERRNO(pidfd_send_signal(fd, SIGUSR1, NULL, 1u << 30), EINVAL);
    CHECK_EQ(close(fd), 0);
})
