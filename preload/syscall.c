/* syscall(2): a number whose wrapper is hooked behaves as the hook does.
 *
 * Differences between the raw calls and their wrappers that matter here: masks are 8 bytes long and their size is checked; ppoll,
 * pselect6 and epoll_pwait2 take kernel structures, and the former two write the time that is left; clock_nanosleep returns its
 * error as all others do; none is a cancellation point (unless the type is asynchronous: any place is one then). */
#include "preload/hook.h"
#include <stdarg.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/time.h>

#define NOT_HOOKED LONG_MIN
#define A(i, type) ((type)a[i])
#define FD(i) ((int)a[i])

static long failed(int error)
{
    errno = error;
    return -1;
}

/* --- Signals: kernel structures --- */

struct kernel_sigaction {
    void (*handler)(int);
    unsigned long flags;
    void (*restorer)(void);
    uint64_t mask;
};

static sigset_t set_of(uint64_t bits)
{
    sigset_t s;

    sigemptyset(&s);
    memcpy(&s, &bits, sizeof bits);
    return s;
}

static long raw_sigaction(int sig, const struct kernel_sigaction *act, struct kernel_sigaction *old)
{
    struct sigaction a, o;

    if ((act && bad_address(act)) || (old && bad_address(old)))
        return failed(EFAULT);
    if (act) {
        a.sa_handler = act->handler;
        a.sa_flags = (int)(act->flags & ~0x04000000ul); /* SA_RESTORER: libc brings its own */
        a.sa_mask = set_of(act->mask);
    }
    if (sigaction(sig, act ? &a : NULL, &o))
        return -1;
    if (old) {
        *old = (struct kernel_sigaction){ .handler = o.sa_handler, .flags = (unsigned)o.sa_flags };
        memcpy(&old->mask, &o.sa_mask, sizeof old->mask);
    }
    return 0;
}

static long raw_sigpending(uint64_t *out)
{
    sigset_t s;

    if (bad_address(out))
        return failed(EFAULT);
    sigpending(&s);
    memcpy(out, &s, sizeof *out);
    return 0;
}

static long raw_sigtimedwait(const uint64_t *set, siginfo_t *info, const struct timespec *t)
{
    sigset_t s;

    if (bad_address(set) || (t && bad_address(t)))
        return failed(EFAULT);
    s = set_of(*set);
    return sigtimedwait(&s, info, t);
}

static long raw_sigsuspend(const uint64_t *mask)
{
    sigset_t s;

    if (bad_address(mask))
        return failed(EFAULT);
    s = set_of(*mask);
    return sigsuspend(&s);
}

static long raw_sigprocmask(struct vthread *v, int how, const uint64_t *set, uint64_t *old)
{
    uint64_t was, wanted = 0;
    int r;

    if ((set && bad_address(set)) || (old && bad_address(old)))
        return failed(EFAULT);
    if (set)
        wanted = *set;
    r = signal_mask(v, how, set ? &wanted : NULL, &was);
    if (r == 0 && old)
        *old = was;
    return posix(r);
}

/* A thread's number is virtual; its signal goes to the vthread that has it. */
static bool to_a_thread(long nr)
{
    return nr == SYS_tgkill || nr == SYS_tkill || nr == SYS_rt_tgsigqueueinfo;
}

static long signals(struct vthread *v, long nr, const long *a)
{
    struct vthread *to;

    switch (nr) {
    case SYS_kill:
        return kill(A(0, pid_t), A(1, int));
    case SYS_tgkill:
        return tgkill(A(0, pid_t), A(1, pid_t), A(2, int));
    case SYS_tkill:
        return vthread_by_tid(A(0, uint32_t)) ? tgkill(getpid(), A(0, pid_t), A(1, int)) : NOT_HOOKED;
    case SYS_rt_tgsigqueueinfo:
        to = A(0, pid_t) == getpid() ? vthread_by_tid(A(1, uint32_t)) : NULL;
        return to ? raw_queue_thread(to, A(2, int), A(3, const siginfo_t *)) : NOT_HOOKED;
    case SYS_rt_sigqueueinfo:
        return v && A(0, pid_t) == getpid() ? raw_queue_process(v, A(1, int), A(2, const siginfo_t *)) : NOT_HOOKED;
    case SYS_pidfd_send_signal:
        return pidfd_send_signal(FD(0), A(1, int), A(2, siginfo_t *), A(3, unsigned));
    case SYS_sigaltstack:
        return sigaltstack(A(0, const stack_t *), A(1, stack_t *));
    case SYS_pause:
        return pause();
    case SYS_rt_sigaction:
        return a[3] == 8 ? raw_sigaction(A(0, int), A(1, const struct kernel_sigaction *), A(2, struct kernel_sigaction *))
                         : NOT_HOOKED;
    case SYS_rt_sigprocmask:
        return a[3] == 8 ? raw_sigprocmask(v, A(0, int), A(1, const uint64_t *), A(2, uint64_t *)) : NOT_HOOKED;
    case SYS_rt_sigpending:
        return a[1] == 8 ? raw_sigpending(A(0, uint64_t *)) : NOT_HOOKED;
    case SYS_rt_sigsuspend:
        return a[1] == 8 ? raw_sigsuspend(A(0, const uint64_t *)) : NOT_HOOKED;
    case SYS_rt_sigtimedwait:
        return a[3] == 8 ? raw_sigtimedwait(A(0, const uint64_t *), A(1, siginfo_t *), A(2, const struct timespec *)) : NOT_HOOKED;
    }
    return NOT_HOOKED;
}

/* --- Waiting for many, and for time --- */

/* The kernel writes back how much of the timeout is left. */
static void time_left(struct timespec *t, uint64_t end)
{
    uint64_t now = now_ns(), left = end > now ? end - now : 0;

    t->tv_sec = (time_t)(left / NSEC_PER_SEC);
    t->tv_nsec = (long)(left % NSEC_PER_SEC);
}

static long raw_ppoll(struct vthread *v, struct pollfd *fds, nfds_t n, struct timespec *t, const uint64_t *mask)
{
    uint64_t end = t && !bad_address(t) && ts_valid(t) ? deadline_after(t) : 0;
    long r = io_ppoll(v, fds, n, t, mask);

    if (end)
        time_left(t, end);
    return posix(r);
}

static long raw_pselect6(struct vthread *v, int n, fd_set *r, fd_set *w, fd_set *e, struct timespec *t, const void *mask)
{
    struct {
        const uint64_t *mask;
        size_t len;
    } m = { NULL, 8 };

    if (mask && bad_address(mask))
        return failed(EFAULT);
    if (mask)
        memcpy(&m, mask, sizeof m);
    if (m.mask && m.len != 8)
        return failed(EINVAL);
    return posix(io_pselect(v, n, r, w, e, t, m.mask, true));
}

static long waits(struct vthread *v, long nr, const long *a)
{
    struct timespec t = { A(3, int) / 1000, A(3, int) % 1000 * 1000000l };

    switch (nr) {
    case SYS_poll:
        return poll(A(0, struct pollfd *), A(1, unsigned), A(2, int));
    case SYS_ppoll:
        if (a[3] && a[4] != 8)
            return failed(EINVAL);
        return raw_ppoll(v, A(0, struct pollfd *), A(1, unsigned), A(2, struct timespec *), A(3, const uint64_t *));
    case SYS_select:
        return select(A(0, int), A(1, fd_set *), A(2, fd_set *), A(3, fd_set *), A(4, struct timeval *));
    case SYS_pselect6:
        return raw_pselect6(v, A(0, int), A(1, fd_set *), A(2, fd_set *), A(3, fd_set *), A(4, struct timespec *),
                            A(5, const void *));
    case SYS_epoll_wait:
        return epoll_wait(FD(0), A(1, struct epoll_event *), A(2, int), A(3, int));
    case SYS_epoll_pwait:
        if (a[4] && a[5] != 8)
            return failed(EINVAL);
        return posix(io_epoll_wait(v, FD(0), A(1, struct epoll_event *), A(2, int), A(3, int) < 0 ? NULL : &t,
                                   A(4, const uint64_t *)));
    case SYS_epoll_pwait2:
        if (a[4] && a[5] != 8)
            return failed(EINVAL);
        return posix(io_epoll_wait(v, FD(0), A(1, struct epoll_event *), A(2, int), A(3, const struct timespec *),
                                   A(4, const uint64_t *)));
    case SYS_setitimer:
        return setitimer(A(0, int), A(1, const struct itimerval *), A(2, struct itimerval *));
    case SYS_alarm:
        return alarm(A(0, unsigned));
    case SYS_nanosleep:
        return nanosleep(A(0, const struct timespec *), A(1, struct timespec *));
    case SYS_clock_nanosleep:
        return posix(io_sleep(v, A(0, clockid_t), A(1, int) & TIMER_ABSTIME, A(2, const struct timespec *), A(3, struct timespec *)));
    case SYS_sched_yield:
        return sched_yield();
    case SYS_wait4:
        return wait4(A(0, pid_t), A(1, int *), A(2, int), A(3, struct rusage *));
    case SYS_waitid:
        return posix(io_waitid(v, A(0, idtype_t), A(1, id_t), A(2, siginfo_t *), A(3, int), A(4, struct rusage *)));
    case SYS_semop:
        return semop(A(0, int), A(1, struct sembuf *), A(2, size_t));
    case SYS_semtimedop:
        return semtimedop(A(0, int), A(1, struct sembuf *), A(2, size_t), A(3, const struct timespec *));
    case SYS_msgsnd:
        return msgsnd(A(0, int), A(1, const void *), A(2, size_t), A(3, int));
    case SYS_msgrcv:
        return msgrcv(A(0, int), A(1, void *), A(2, size_t), A(3, long), A(4, int));
    case SYS_mq_timedsend:
        return posix(io_mq_send(v, FD(0), A(1, const char *), A(2, size_t), A(3, unsigned), A(4, const struct timespec *)));
    case SYS_mq_timedreceive:
        return posix(io_mq_receive(v, FD(0), A(1, char *), A(2, size_t), A(3, unsigned *), A(4, const struct timespec *)));
    }
    return NOT_HOOKED;
}

/* --- Descriptors --- */

static long transfers(struct vthread *v, long nr, const long *a)
{
    (void)v;
    switch (nr) {
    case SYS_read:
        return read(FD(0), A(1, void *), A(2, size_t));
    case SYS_write:
        return write(FD(0), A(1, const void *), A(2, size_t));
    case SYS_readv:
        return readv(FD(0), A(1, const struct iovec *), A(2, int));
    case SYS_writev:
        return writev(FD(0), A(1, const struct iovec *), A(2, int));
    case SYS_pread64:
        return pread(FD(0), A(1, void *), A(2, size_t), A(3, off_t));
    case SYS_pwrite64:
        return pwrite(FD(0), A(1, const void *), A(2, size_t), A(3, off_t));
    case SYS_preadv:
        return preadv(FD(0), A(1, const struct iovec *), A(2, int), A(3, off_t));
    case SYS_pwritev:
        return pwritev(FD(0), A(1, const struct iovec *), A(2, int), A(3, off_t));
    case SYS_preadv2:
        return preadv2(FD(0), A(1, const struct iovec *), A(2, int), A(3, off_t), A(5, int));
    case SYS_pwritev2:
        return pwritev2(FD(0), A(1, const struct iovec *), A(2, int), A(3, off_t), A(5, int));
    case SYS_recvfrom:
        return recvfrom(FD(0), A(1, void *), A(2, size_t), A(3, int), A(4, struct sockaddr *), A(5, socklen_t *));
    case SYS_sendto:
        return sendto(FD(0), A(1, const void *), A(2, size_t), A(3, int), A(4, const struct sockaddr *), A(5, socklen_t));
    case SYS_recvmsg:
        return recvmsg(FD(0), A(1, struct msghdr *), A(2, int));
    case SYS_sendmsg:
        return sendmsg(FD(0), A(1, const struct msghdr *), A(2, int));
    case SYS_recvmmsg:
        return recvmmsg(FD(0), A(1, struct mmsghdr *), A(2, unsigned), A(3, int), A(4, struct timespec *));
    case SYS_sendmmsg:
        return sendmmsg(FD(0), A(1, struct mmsghdr *), A(2, unsigned), A(3, int));
    case SYS_sendfile:
        return sendfile(FD(0), FD(1), A(2, off_t *), A(3, size_t));
    case SYS_splice:
        return splice(FD(0), A(1, off64_t *), FD(2), A(3, off64_t *), A(4, size_t), A(5, unsigned));
    case SYS_tee:
        return tee(FD(0), FD(1), A(2, size_t), A(3, unsigned));
    case SYS_vmsplice:
        return vmsplice(FD(0), A(1, const struct iovec *), A(2, size_t), A(3, unsigned));
    case SYS_copy_file_range:
        return copy_file_range(FD(0), A(1, off64_t *), FD(2), A(3, off64_t *), A(4, size_t), A(5, unsigned));
    case SYS_connect:
        return connect(FD(0), A(1, const struct sockaddr *), A(2, socklen_t));
    case SYS_accept:
        return accept(FD(0), A(1, struct sockaddr *), A(2, socklen_t *));
    case SYS_accept4:
        return accept4(FD(0), A(1, struct sockaddr *), A(2, socklen_t *), A(3, int));
    case SYS_getrandom:
        return getrandom(A(0, void *), A(1, size_t), A(2, unsigned));
    }
    return NOT_HOOKED;
}

static long files(struct vthread *v, long nr, const long *a)
{
    switch (nr) {
    case SYS_flock:
        return flock(FD(0), A(1, int));
    case SYS_fsync:
        return fsync(FD(0));
    case SYS_fdatasync:
        return fdatasync(FD(0));
    case SYS_sync:
        sync();
        return 0;
    case SYS_syncfs:
        return syncfs(FD(0));
    case SYS_msync:
        return msync(A(0, void *), A(1, size_t), A(2, int));
    case SYS_sync_file_range:
        return sync_file_range(FD(0), a[1], a[2], A(3, unsigned));
    case SYS_fallocate:
        return fallocate(FD(0), A(1, int), a[2], a[3]);
    case SYS_open:
        return open(A(0, const char *), A(1, int), A(2, mode_t));
    case SYS_openat:
        return openat(FD(0), A(1, const char *), A(2, int), A(3, mode_t));
    case SYS_openat2:
        return fresh((int)posix(BLOCKING(v, false, true, nr, a[0], a[1], a[2], a[3], 0, 0)));
    case SYS_creat:
        return creat(A(0, const char *), A(1, mode_t));
    }
    return NOT_HOOKED;
}

/* What ends, makes or changes a descriptor must be seen on any thread. */
static long numbers(long nr, const long *a)
{
    int *pair = NULL;
    long r;

    switch (nr) {
    case SYS_close:
        return close(FD(0));
    case SYS_dup2:
        return dup2(FD(0), FD(1));
    case SYS_dup3:
        return dup3(FD(0), FD(1), A(2, int));
    case SYS_close_range:
        return close_range(A(0, unsigned), A(1, unsigned), A(2, int));
    case SYS_fcntl:
        return fcntl(FD(0), A(1, int), a[2]);
    case SYS_ioctl:
        return ioctl(FD(0), A(1, unsigned), a[2]);
    case SYS_shutdown:
        return shutdown(FD(0), A(1, int));
    case SYS_setsockopt:
        return setsockopt(FD(0), A(1, int), A(2, int), A(3, const void *), A(4, socklen_t));
    case SYS_pipe:
    case SYS_pipe2:
        pair = A(0, int *);
        break;
    case SYS_socketpair:
        pair = A(3, int *);
        break;
    case SYS_dup:
    case SYS_socket:
    case SYS_eventfd:
    case SYS_eventfd2:
    case SYS_timerfd_create:
    case SYS_epoll_create:
    case SYS_epoll_create1:
    case SYS_inotify_init:
    case SYS_inotify_init1:
    case SYS_fanotify_init:
    case SYS_memfd_create:
    case SYS_pidfd_open:
    case SYS_pidfd_getfd:
    case SYS_mq_open:
    case SYS_open_by_handle_at:
    case SYS_perf_event_open:
    case SYS_userfaultfd:
    case SYS_io_uring_setup:
        break;
    case SYS_signalfd:
    case SYS_signalfd4:
        if (a[0] >= 0)
            return NOT_HOOKED; /* no new one */
        break;
    default:
        return NOT_HOOKED;
    }
    r = REAL(syscall)(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (pair && r == 0) {
        fresh(pair[0]);
        fresh(pair[1]);
    }
    return pair ? r : fresh((int)r);
}

/* The child returns through here, too, with memory of its own. */
static long makes_process(long nr, const long *a)
{
    switch (nr) {
    case SYS_clone3:
        clone_shares(bad_address(A(0, void *)) ? 0 : *A(0, const uint64_t *)); /* its first member */
        break;
    case SYS_clone:
        clone_shares((uint64_t)a[0]);
        break;
    case SYS_fork:
    case SYS_vfork:
        break;
    default:
        return NOT_HOOKED;
    }
    return SHARING(REAL(syscall)(nr, a[0], a[1], a[2], a[3], a[4], a[5]));
}

/* Calls without a wrapper that wait: announced.  The others of futex wait on memory that other processes share. */
static long announced(struct vthread *v, long nr, const long *a)
{
    bool sure;

    switch (nr) {
    case SYS_futex:
    case SYS_futex_waitv:
        sure = false;
        break;
    case SYS_io_getevents:
    case SYS_io_pgetevents:
        sure = a[1] > 0;
        break;
    case SYS_io_uring_enter:
        sure = a[2] > 0; /* completions to wait for */
        break;
    default:
        return NOT_HOOKED;
    }
    return posix(BLOCKING(v, sure, true, nr, a[0], a[1], a[2], a[3], a[4], a[5]));
}

/* --- Threads --- */

static long raw_timer_create(clockid_t clk, const struct sigevent *event, int *timer)
{
    struct sigevent kernel;
    uint32_t tid = event && !bad_address(event) ? signal_timer_event(event, &kernel) : 0;
    long r = REAL(syscall)(SYS_timer_create, clock_for_timer(clk), tid ? &kernel : event, timer);

    if (r == 0)
        signal_timer_made(*timer, tid);
    return r;
}

static long threads(struct vthread *v, long nr, const long *a)
{
    long r;

    switch (nr) {
    case SYS_futex:
        return futex_call(A(0, uint32_t *), A(1, int), A(2, uint32_t), A(3, const struct timespec *), A(4, uint32_t *),
                          A(5, uint32_t), &r)
                   ? posix(r)
                   : NOT_HOOKED;
    case SYS_clock_gettime:
        return clock_gettime(A(0, clockid_t), A(1, struct timespec *));
    case SYS_clock_getres:
        return clock_getres(A(0, clockid_t), A(1, struct timespec *));
    case SYS_getrusage:
        return getrusage(A(0, int), A(1, struct rusage *));
    case SYS_gettid:
    case SYS_set_tid_address: /* what it would set belongs to the OS thread; the answer is the caller's number */
        return v ? (long)v->tid : NOT_HOOKED;
    case SYS_exit:
        if (v)
            thread_exit(NULL); /* the carrier must live on */
        return NOT_HOOKED;
    case SYS_execve:
        return execve(A(0, const char *), A(1, char *const *), A(2, char *const *));
    case SYS_execveat:
        return execveat(FD(0), A(1, const char *), A(2, char *const *), A(3, char *const *), A(4, int));
    case SYS_timer_create:
        return raw_timer_create(A(0, clockid_t), A(1, const struct sigevent *), A(2, int *));
    case SYS_ptrace:
        io_traces();
        return v && traces_for_itself(a[0]) ? posix(own_call(v, nr, a)) : NOT_HOOKED;
    }
    return NOT_HOOKED;
}

/* By a thread's number.  The raw calls of affinity return how many bytes there are, that of the nice value 20 less it. */
static long by_number(long nr, const long *a)
{
    struct vthread *v = vthread_by_tid(A(nr == SYS_setpriority || nr == SYS_getpriority, uint32_t));

    if (!v || load_acquire(&v->life) != VT_LIVE)
        return NOT_HOOKED;
    switch (nr) {
    case SYS_sched_getaffinity:
    case SYS_sched_getscheduler:
    case SYS_sched_getparam:
    case SYS_sched_rr_get_interval:
    case SYS_sched_getattr:
        return REAL(syscall)(nr, own_ask(v), a[1], a[2], a[3]);
    case SYS_getpriority:
        return a[0] == PRIO_PROCESS ? REAL(syscall)(nr, a[0], own_ask(v)) : NOT_HOOKED;
    }
    return NOT_HOOKED;
}

static bool sets_identity(long nr)
{
    return nr == SYS_setuid || nr == SYS_setgid || nr == SYS_setreuid || nr == SYS_setregid || nr == SYS_setresuid ||
           nr == SYS_setresgid || nr == SYS_setgroups;
}

/* What the kernel keeps for an OS thread.  By these numbers an identity is one thread's, by libc's functions the process's. */
static long owned(struct vthread *v, long nr, const long *a)
{
    if (sets_identity(nr))
        return posix(own_call(v, nr, a));
    switch (nr) {
    case SYS_prctl:
        return prctl(A(0, int), a[1], a[2], a[3], a[4]);
    case SYS_setfsuid:
        return setfsuid(A(0, uid_t));
    case SYS_setfsgid:
        return setfsgid(A(0, gid_t));
    case SYS_sched_setaffinity:
        return sched_setaffinity(A(0, pid_t), A(1, size_t), A(2, const cpu_set_t *));
    case SYS_sched_setscheduler:
        return sched_setscheduler(A(0, pid_t), A(1, int), A(2, const struct sched_param *));
    case SYS_sched_setparam:
        return sched_setparam(A(0, pid_t), A(1, const struct sched_param *));
    case SYS_setpriority:
        return setpriority(A(0, unsigned), A(1, id_t), A(2, int));
    case SYS_sched_setattr:
        return own_by_number(v, nr, a, 0);
    case SYS_ioprio_set:
        return a[0] == 1 /* IOPRIO_WHO_PROCESS */ ? own_by_number(v, nr, a, 1) : NOT_HOOKED;
    case SYS_seccomp: /* SECCOMP_SET_MODE_*; with SECCOMP_FILTER_FLAG_TSYNC all OS threads get it */
        return a[0] <= 1 && !(a[1] & 1) ? posix(own_call(v, nr, a)) : NOT_HOOKED;
    case SYS_personality:
        return personality(A(0, unsigned long));
    case SYS_unshare:
    case SYS_setns:
    case SYS_capset:
    case SYS_set_mempolicy:
    case SYS_iopl:
    case SYS_ioperm:
    case SYS_landlock_restrict_self:
        return posix(own_call(v, nr, a));
    }
    return NOT_HOOKED;
}

static long hooked(long nr, const long *a)
{
    struct vthread *park = vthr_parkable();
    long r = numbers(nr, a);

    if (r == NOT_HOOKED)
        r = makes_process(nr, a);
    if (r == NOT_HOOKED && park)
        r = transfers(park, nr, a);
    if (r == NOT_HOOKED && park)
        r = waits(park, nr, a);
    if (r == NOT_HOOKED && park)
        r = files(park, nr, a);
    if (r == NOT_HOOKED && (park || nr == SYS_rt_sigaction || to_a_thread(nr)))
        r = signals(park, nr, a);
    if (r == NOT_HOOKED && park)
        r = announced(park, nr, a);
    if (r == NOT_HOOKED && park)
        r = owned(park, nr, a);
    if (r == NOT_HOOKED)
        r = by_number(nr, a);
    return r;
}

HOOK long syscall(long nr, ...)
{
    struct vthread *v = vthr_self;
    long a[6], r = NOT_HOOKED;
    va_list ap;

    va_start(ap, nr);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(ap, long);
    va_end(ap);
    if (vthr_active && !(v && v->hooks_off)) {
        r = threads(v, nr, a);
        if (r == NOT_HOOKED && v)
            r = NO_CANCEL_POINT(v, hooked(nr, a));
        else if (r == NOT_HOOKED)
            r = hooked(nr, a);
    }
    return r == NOT_HOOKED ? REAL(syscall)(nr, a[0], a[1], a[2], a[3], a[4], a[5]) : r;
}
