/* The real libc calls behind the names that preload/ replaces.
 *
 * REAL(read)(fd, buf, n) calls the next definition of read after this library.  Each name is looked up at its first
 * use (a process that makes no thread pays for no other), and all at once at activation; how: symbol.c. */
#pragma once
#include "runtime/base/atomic.h"
#include "runtime/base/compiler.h"
#include <aio.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <mqueue.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define VTHR_REAL_LIST(X)                                                                                              \
    X(pthread_create) X(pthread_join) X(pthread_detach) X(pthread_getattr_np) X(pthread_setname_np)                    \
    X(pthread_getname_np) X(pthread_tryjoin_np) X(pthread_timedjoin_np) X(pthread_clockjoin_np)                        \
    X(pthread_key_create) X(pthread_key_delete) X(pthread_cancel) X(pthread_kill) X(pthread_sigqueue)                  \
    X(pthread_setaffinity_np) X(pthread_getaffinity_np) X(pthread_getcpuclockid) X(pthread_setschedparam)              \
    X(pthread_getschedparam) X(pthread_setschedprio) X(pthread_sigmask) X(pthread_exit)                                \
    X(pthread_mutex_lock) X(pthread_mutex_trylock) X(pthread_mutex_timedlock) X(pthread_mutex_clocklock)               \
    X(pthread_mutex_unlock) X(pthread_cond_wait) X(pthread_cond_timedwait) X(pthread_cond_clockwait)                   \
    X(pthread_cond_signal) X(pthread_cond_broadcast)                                                                   \
    X(pthread_rwlock_rdlock) X(pthread_rwlock_wrlock) X(pthread_rwlock_tryrdlock) X(pthread_rwlock_trywrlock)          \
    X(pthread_rwlock_timedrdlock) X(pthread_rwlock_timedwrlock) X(pthread_rwlock_clockrdlock)                          \
    X(pthread_rwlock_clockwrlock) X(pthread_rwlock_unlock)                                                             \
    X(pthread_barrier_wait) X(pthread_barrier_destroy) X(pthread_spin_trylock)                                         \
    X(sem_wait) X(sem_trywait) X(sem_timedwait) X(sem_clockwait) X(sem_post)                                           \
    X(read) X(write) X(readv) X(writev) X(pread) X(pwrite) X(pread64) X(pwrite64) X(preadv) X(pwritev)                 \
    X(preadv64) X(pwritev64) X(recv) X(recvfrom) X(recvmsg) X(send) X(sendto) X(sendmsg)                               \
    X(accept) X(accept4) X(connect) X(close) X(dup) X(dup2) X(dup3) X(close_range) X(closefrom) X(fclose) X(fopen) X(fopen64) X(freopen) X(freopen64)             \
    X(shutdown) X(socket) X(socketpair) X(setsockopt) X(fcntl) X(fcntl64) X(ioctl)                                                 \
    X(poll) X(ppoll) X(select) X(pselect) X(epoll_wait) X(epoll_pwait)                                                 \
    X(sleep) X(usleep) X(nanosleep) X(clock_nanosleep) X(sched_yield) X(gettid) X(syscall)                             \
    X(fork) X(execve) X(execv) X(execvp) X(execvpe) X(fexecve) X(posix_spawn) X(posix_spawnp) X(system) X(popen)       \
    X(pclose)                                                                                                          \
    X(__sigsetjmp) X(siglongjmp) X(__longjmp_chk) X(sigaction) X(signal) X(sigprocmask) X(sigpending) X(sigsuspend) X(pause) X(raise) X(kill) X(sigaltstack)         \
    X(sigwait) X(sigwaitinfo) X(sigtimedwait) X(sigqueue) X(killpg) X(tgkill)                                          \
    X(waitpid) X(wait) X(wait3) X(wait4) X(waitid) X(flock) X(lockf) X(lockf64) X(fsync) X(fdatasync)                  \
    X(getaddrinfo) X(getnameinfo) X(gethostbyname) X(gethostbyaddr) X(gethostbyname_r) X(gethostbyaddr_r)              \
    X(gethostbyname2) X(gethostbyname2_r)                                                                              \
    X(dlopen) X(dlmopen) X(dlclose)                                                                                    \
    X(open) X(open64) X(openat) X(openat64) X(creat) X(creat64)                                                        \
    X(timer_create) X(mq_notify) X(aio_read) X(aio_write) X(aio_fsync) X(aio_read64) X(aio_write64) X(aio_fsync64)

VTHR_BEGIN_DECLS
/* setjmp.h names it by a redirection only. */
extern void __longjmp_chk(sigjmp_buf, int) __attribute__((noreturn));
struct vthr_real {
#define X(name) __typeof__(name) *name##_;
    VTHR_REAL_LIST(X)
#undef X
};
extern struct vthr_real vthr_real;

enum vthr_real_index {
#define X(name) REAL_##name,
    VTHR_REAL_LIST(X)
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
