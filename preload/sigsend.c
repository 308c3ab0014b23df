/* Sending signals: see runtime/thread/signal.c.
 *
 * To the own process: what a thread sends is delivered before the call returns if no other thread may take it (POSIX, kill), and
 * pending for the main thread by then if that may (signal(7)).  Where the kernel is asked to send, because others get it too, or all
 * threads have it blocked, the receiver has passed it on before the call returns. */
#include "preload/hook.h"
#include "runtime/base/options.h"
#include <string.h>

#ifndef PIDFD_SELF_THREAD /* linux/pidfd.h */
#define PIDFD_SELF_THREAD (-10000)
#endif
#define SIGNAL_THREAD 1u /* PIDFD_SIGNAL_THREAD */

static bool is_direct(int sig)
{
    return sig >= 1 && sig <= 64 && (SIGBIT(sig) & KSIG_DIRECT);
}
static bool reserved(int sig)
{
    return sig < 0 || sig > 64 || sig == SIG_NUDGE || sig == SIG_SETXID;
}
static siginfo_t info_of(int sig, int code, union sigval value)
{
    siginfo_t info;

    memset(&info, 0, sizeof info);
    info.si_signo = sig;
    info.si_code = code;
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value = value;
    return info;
}
#define NO_VALUE ((union sigval){ .sival_ptr = NULL })

/* --- To a thread --- */

HOOK int raise(int sig)
{
    struct vthread *v = vthr_parkable();

    if (!v || sig == 0 || is_direct(sig) || sig == SIGKILL || sig == SIGSTOP)
        return REAL(raise)(sig);
    return (int)posix(signal_send_self(v, sig, SI_TKILL));
}
HOOK int gsignal(int) ALIAS(raise);

HOOK int pthread_kill(pthread_t th, int sig)
{
    struct vthread *v = vthr_active ? thread_of(th) : NULL;
    siginfo_t info;

    if (!v)
        return REAL(pthread_kill)(th, sig);
    if (reserved(sig))
        return EINVAL;
    if (sig == 0 || load_acquire(&v->done))
        return 0;
    if (v == vthr_self && is_direct(sig))
        return REAL(raise)(sig) ? errno : 0;
    if (sig == SIGKILL || sig == SIGSTOP)
        return REAL(kill)(getpid(), sig) ? errno : 0;
    info = info_of(sig, SI_TKILL, NO_VALUE);
    return -signal_send(v, sig, &info);
}
HOOK int pthread_sigqueue(pthread_t th, int sig, const union sigval value)
{
    struct vthread *v = vthr_active ? thread_of(th) : NULL;
    siginfo_t info;

    if (!v)
        return REAL(pthread_sigqueue)(th, sig, value);
    if (reserved(sig))
        return EINVAL;
    if (sig == 0)
        return 0;
    info = info_of(sig, SI_QUEUE, value);
    return -signal_send(v, sig, &info);
}

/* The main thread's number lasts as long as the process. */
static bool has_ended(struct vthread *v)
{
    return v != &vthr_main && load_acquire(&v->life) != VT_LIVE;
}
HOOK int tgkill(pid_t tgid, pid_t tid, int sig)
{
    struct vthread *v = vthr_active && tgid == getpid() ? vthread_by_tid((uint32_t)tid) : NULL;

    if (!v)
        return REAL(tgkill)(tgid, tid, sig);
    return (int)posix(has_ended(v) ? -ESRCH : -pthread_kill((pthread_t)v->pd, sig));
}

/* The kernel lets only a thread itself say that its signal is the kernel's, kill's or tgkill's. */
static bool may_say(const struct vthread *self, const siginfo_t *info, int tid)
{
    return (info->si_code < 0 && info->si_code != SI_TKILL) || (self && (int)self->tid == tid);
}
static long queue_thread(struct vthread *v, int tid, int sig, const siginfo_t *info)
{
    if (bad_address(info))
        return -EFAULT;
    if (!may_say(vthr_self, info, tid))
        return -EPERM;
    if (has_ended(v))
        return -ESRCH;
    if (sig == 0)
        return 0;
    return reserved(sig) ? -EINVAL : signal_send(v, sig, info);
}
long raw_queue_thread(struct vthread *to, int sig, const siginfo_t *info)
{
    return posix(queue_thread(to, (int)to->tid, sig, info));
}

/* --- To the process --- */

/* What the kernel has sent is with its thread. */
static int passed_on(struct vthread *v, int sig, int r)
{
    int e = errno;

    if (r == 0 && v && sig > 0 && sig <= 64 && !is_direct(sig) && sig != (int)vthr_config.dump_signal)
        signal_settle(v, SIGBIT(sig));
    errno = e;
    return r;
}

/* As the kernel would choose: the main thread first, then the caller; else it is left to the kernel. */
static bool send_here(struct vthread *v, int sig, const siginfo_t *info)
{
    if (sig <= 0 || reserved(sig) || is_direct(sig) || sig == SIGKILL || sig == SIGSTOP || sig == (int)vthr_config.dump_signal)
        return false;
    if (v != &vthr_main && signal_send_process(sig, info) == 0)
        return true;
    if ((v->sigmask & SIGBIT(sig)) || (v != &vthr_main && !(vthr_main.sigmask & SIGBIT(sig))))
        return false;
    return signal_send(v, sig, info) == 0;
}

HOOK int kill(pid_t pid, int sig)
{
    struct vthread *v = vthr_parkable();
    siginfo_t info;

    if (!v || (pid > 0 && pid != getpid()))
        return REAL(kill)(pid, sig);
    info = info_of(sig, SI_USER, NO_VALUE);
    if (pid > 0 && send_here(v, sig, &info))
        return 0;
    return passed_on(v, sig, REAL(kill)(pid, sig));
}
HOOK int killpg(pid_t group, int sig)
{
    return passed_on(vthr_parkable(), sig, REAL(killpg)(group, sig));
}
HOOK int sigqueue(pid_t pid, int sig, const union sigval value)
{
    struct vthread *v = vthr_parkable();
    siginfo_t info;

    if (!v || pid != getpid())
        return REAL(sigqueue)(pid, sig, value);
    info = info_of(sig, SI_QUEUE, value);
    if (send_here(v, sig, &info))
        return 0;
    return passed_on(v, sig, REAL(sigqueue)(pid, sig, value));
}

long raw_queue_process(struct vthread *v, int sig, const siginfo_t *info)
{
    if (bad_address(info))
        return posix(-EFAULT);
    if (!may_say(v, info, getpid()))
        return posix(-EPERM);
    if (send_here(v, sig, info))
        return 0;
    return passed_on(v, sig, (int)posix(SYS3(SYS_rt_sigqueueinfo, getpid(), sig, info)));
}

static long send_self(struct vthread *v, int sig, const siginfo_t *info)
{
    if (!info)
        return -pthread_kill((pthread_t)v->pd, sig);
    if (!bad_address(info) && info->si_signo != sig)
        return -EINVAL;
    return queue_thread(v, (int)v->tid, sig, info);
}
/* PIDFD_SELF_THREAD is the calling thread, in kernels that know it.  Whose another one is, only the kernel knows. */
HOOK int pidfd_send_signal(int fd, int sig, siginfo_t *info, unsigned flags)
{
    struct vthread *v = vthr_parkable();

    if (v && fd == PIDFD_SELF_THREAD && (flags == 0 || flags == SIGNAL_THREAD) &&
        SYS4(SYS_pidfd_send_signal, fd, 0, NULL, flags) == 0)
        return (int)posix(send_self(v, sig, info));
    return passed_on(v, sig, (int)posix(SYS4(SYS_pidfd_send_signal, fd, sig, info, flags)));
}
