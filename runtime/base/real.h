/* The real libc calls behind the names that preload/ replaces.
 *
 * REAL(read)(fd, buf, n) calls the next definition of read after this library.  Names are looked up at their first
 * use, the common ones together (a process that makes no thread pays for no other), and all at activation; how: symbol.c. */
#pragma once
#include "runtime/base/atomic.h"
#include "runtime/base/compiler.h"
#include <aio.h>
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <grp.h>
#include <mqueue.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <netinet/in.h>
#include <resolv.h>
#include <sched.h>
#include <stdarg.h>
#include <semaphore.h>
#include <setjmp.h>
#include <shadow.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/pidfd.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <syslog.h>
#include <termios.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <utmp.h>

/* What programs without threads call most, and shells between fork and exec: the first use of one looks all of them up. */
#define VTHR_REAL_COMMON(X)                                                                                            \
    X(fclose) X(close) X(open) X(read) X(fcntl) X(write) X(closedir) X(fopen) X(signal) X(waitpid) X(sigaction)        \
    X(pipe) X(sigprocmask) X(dup2) X(raise) X(ioctl) X(execve) X(execv) X(execvp) X(kill) X(openat) X(dup) X(dup3)     \
    X(fcntl64) X(open64) X(openat64) X(fopen64) X(freopen) X(select) X(poll) X(pipe2) X(getrandom) X(wait4) X(wait)    \
    X(__sigsetjmp) X(siglongjmp) X(__longjmp_chk) X(sigsuspend) X(posix_spawn) X(sigaltstack)
#define VTHR_REAL_OTHERS(X)                                                                                            \
    X(pthread_create) X(pthread_join) X(pthread_detach) X(pthread_getattr_np) X(pthread_setname_np)                    \
    X(pthread_getname_np) X(pthread_tryjoin_np) X(pthread_timedjoin_np) X(pthread_clockjoin_np)                        \
    X(pthread_key_create) X(pthread_key_delete) X(pthread_cancel) X(pthread_kill) X(pthread_sigqueue)                  \
    X(pthread_setaffinity_np) X(pthread_getaffinity_np) X(pthread_getcpuclockid) X(pthread_setschedparam) X(nice) X(getcontext) X(setcontext) X(swapcontext) X(makecontext)              \
    X(pthread_getschedparam) X(pthread_setschedprio) X(pthread_sigmask) X(pthread_exit)                                \
    X(pthread_mutex_lock) X(pthread_mutex_trylock) X(pthread_mutex_timedlock) X(pthread_mutex_clocklock)               \
    X(pthread_mutex_unlock) X(pthread_mutex_consistent) X(pthread_cond_wait) X(pthread_cond_timedwait) X(pthread_cond_clockwait)                   \
    X(pthread_cond_signal) X(pthread_cond_broadcast)                                                                   \
    X(pthread_rwlock_rdlock) X(pthread_rwlock_wrlock) X(pthread_rwlock_tryrdlock) X(pthread_rwlock_trywrlock)          \
    X(pthread_rwlock_timedrdlock) X(pthread_rwlock_timedwrlock) X(pthread_rwlock_clockrdlock)                          \
    X(pthread_rwlock_clockwrlock) X(pthread_rwlock_unlock)                                                             \
    X(pthread_barrier_wait) X(pthread_barrier_destroy) X(pthread_spin_trylock)                                         \
    X(sem_wait) X(sem_trywait) X(sem_timedwait) X(sem_clockwait) X(sem_post)                                           \
    X(readv) X(writev) X(pread) X(pwrite) X(pread64) X(pwrite64) X(preadv) X(pwritev)                                  \
    X(preadv64) X(pwritev64) X(recv) X(recvfrom) X(recvmsg) X(send) X(sendto) X(sendmsg)                               \
    X(accept) X(accept4) X(connect) X(close_range) X(closefrom) X(freopen64)                                           \
    X(shutdown) X(socket) X(socketpair) X(setsockopt)                                                                  \
    X(ppoll) X(pselect) X(epoll_wait) X(epoll_pwait)                                                                   \
    X(sleep) X(usleep) X(nanosleep) X(clock_nanosleep) X(sched_yield) X(gettid) X(syscall)                             \
    X(fork) X(_Fork) X(clone) X(execvpe) X(fexecve) X(posix_spawnp) X(system) X(popen)                                                   \
    X(pclose)                                                                                                          \
    X(sigpending) X(pause)                                                                                             \
    X(sigwait) X(sigwaitinfo) X(sigtimedwait) X(sigqueue) X(killpg) X(tgkill)                                          \
    X(wait3) X(waitid) X(flock) X(lockf) X(lockf64) X(fsync) X(fdatasync)                                              \
    X(getaddrinfo) X(getnameinfo) X(gethostbyname) X(gethostbyaddr) X(gethostbyname_r) X(gethostbyaddr_r)              \
    X(gethostbyname2) X(gethostbyname2_r)                                                                              \
    X(dlopen) X(dlmopen) X(dlclose)                                                                                    \
    X(setuid) X(setgid) X(seteuid) X(setegid) X(setreuid) X(setregid) X(setresuid) X(setresgid) X(setgroups)           \
    X(creat) X(creat64) X(execveat) X(ptrace)                                                                         \
    X(preadv2) X(pwritev2) X(recvmmsg) X(sendmmsg) X(sendfile) X(splice) X(tee) X(vmsplice) X(copy_file_range)         \
    X(epoll_pwait2) X(eventfd_read) X(eventfd_write)                                                                   \
    X(sync) X(syncfs) X(msync) X(sync_file_range) X(fallocate) X(posix_fallocate) X(readahead)                         \
    X(msgrcv) X(msgsnd) X(semop) X(semtimedop) X(mq_open) X(mq_close)                                                  \
    X(mq_receive) X(mq_timedreceive) X(mq_send) X(mq_timedsend)                                                        \
    X(getentropy) X(tcdrain) X(tcsendbreak) X(tcsetattr)                                                               \
    X(aio_suspend) X(aio_suspend64) X(lio_listio) X(lio_listio64) X(getaddrinfo_a) X(gai_suspend)                      \
    X(syslog) X(vsyslog) X(__syslog_chk) X(__vsyslog_chk)                                                              \
    X(login_tty)                                                                                                       \
    X(eventfd) X(timerfd_create) X(signalfd) X(epoll_create) X(epoll_create1) X(inotify_init)                          \
    X(inotify_init1) X(memfd_create) X(fanotify_init) X(pidfd_open) X(pidfd_getfd) X(open_by_handle_at)                \
    X(getpwnam) X(getpwuid) X(getpwent) X(getpwnam_r) X(getpwuid_r) X(getpwent_r)                                      \
    X(getgrnam) X(getgrgid) X(getgrent) X(getgrnam_r) X(getgrgid_r) X(getgrent_r) X(getgrouplist) X(initgroups)        \
    X(getspnam) X(getspent) X(getspnam_r) X(getspent_r) X(innetgr)                                                     \
    X(getservbyname) X(getservbyport) X(getservent) X(getservbyname_r) X(getservbyport_r) X(getservent_r)              \
    X(getprotobyname) X(getprotobynumber) X(getprotoent) X(getprotobyname_r) X(getprotobynumber_r) X(getprotoent_r)    \
    X(getnetbyname) X(getnetbyaddr) X(getnetent) X(getnetbyname_r) X(getnetbyaddr_r) X(getnetent_r)                    \
    X(gethostent) X(gethostent_r)                                                                                      \
    X(res_query) X(res_search) X(res_querydomain) X(res_send)                                                          \
    X(res_nquery) X(res_nsearch) X(res_nquerydomain) X(res_nsend)                                                      \
    X(sched_getaffinity) X(sched_setaffinity) X(sched_getscheduler) X(sched_setscheduler) X(sched_getparam)            \
    X(sched_setparam) X(sched_rr_get_interval) X(getpriority) X(setpriority) X(clock_gettime) X(clock_getres) X(getrusage)                                          \
    X(timer_create) X(mq_notify) X(__register_atfork) X(aio_read) X(aio_write) X(aio_fsync) X(aio_read64) X(aio_write64) X(aio_fsync64)
#define VTHR_REAL_LIST(X) VTHR_REAL_COMMON(X) VTHR_REAL_OTHERS(X)

VTHR_BEGIN_DECLS
/* What pthread_atfork, which is linked into each program and library, calls. */
extern int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *dso);
extern VTHR_HIDDEN void *__dso_handle;
/* setjmp.h names it by a redirection only. */
extern void __longjmp_chk(sigjmp_buf, int) __attribute__((noreturn));
/* Fortified names are in the headers of fortified programs only. */
extern void __syslog_chk(int, int, const char *, ...);
extern void __vsyslog_chk(int, int, const char *, va_list);
struct vthr_real {
#define X(name) __typeof__(name) *name##_;
    VTHR_REAL_LIST(X)
#undef X
};
extern struct vthr_real vthr_real;

enum vthr_real_index {
#define X(name) REAL_##name,
    VTHR_REAL_COMMON(X)
    REAL_COMMON_COUNT,
    REAL_LAST_COMMON = REAL_COMMON_COUNT - 1,
    VTHR_REAL_OTHERS(X)
#undef X
    REAL_COUNT
};

/* Looks one name up and remembers it.  Panics where libc has no such function (the wrapper could not be linked). */
void *vthr_real_resolve(enum vthr_real_index i);
void vthr_real_resolve_all(void);
/* Any symbol of libc or ld.so, or NULL. */
void *vthr_real_symbol(const char *name);

#define REAL(name)                                                                                                     \
    ((__typeof__(name) *)(likely(load_relaxed(&vthr_real.name##_) != NULL) ? (void *)load_relaxed(&vthr_real.name##_) \
                                                                           : vthr_real_resolve(REAL_##name)))
VTHR_END_DECLS
