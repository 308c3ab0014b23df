/* System calls that the runtime makes for itself.  All raw: they return the value or -errno, touch no errno, are no
 * cancellation points, and cannot be replaced by a preload (ours or another). */
#pragma once
#include "runtime/arch/syscall.h"
#include "runtime/base/compiler.h"
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>

#define SYS0(nr) arch_syscall6((nr), 0, 0, 0, 0, 0, 0)
#define SYS1(nr, a) arch_syscall6((nr), (long)(a), 0, 0, 0, 0, 0)
#define SYS2(nr, a, b) arch_syscall6((nr), (long)(a), (long)(b), 0, 0, 0, 0)
#define SYS3(nr, a, b, c) arch_syscall6((nr), (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define SYS4(nr, a, b, c, d) arch_syscall6((nr), (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define SYS5(nr, a, b, c, d, e) arch_syscall6((nr), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define SYS6(nr, a, b, c, d, e, f) \
    arch_syscall6((nr), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

#define NSEC_PER_SEC 1000000000ull
#define NO_DEADLINE UINT64_MAX

/* poll(2) that does not wait.  A signal of ours that comes in between ends even that with -EINTR, which says nothing about the
 * descriptors; a handler of the program's is noted elsewhere (vthread.sig_ran). */
struct pollfd;
static inline long sys_poll_now(struct pollfd *fds, unsigned long n)
{
    struct timespec zero = { 0, 0 };
    long r;

    do
        r = SYS5(SYS_ppoll, fds, n, &zero, 0, 8);
    while (r == -4 /* EINTR */);
    return r;
}

/* Blocks the OS thread while *addr == val.  deadline: CLOCK_MONOTONIC ns or NO_DEADLINE.  0 or -errno. */
static inline long sys_futex_wait(uint32_t *addr, uint32_t val, uint64_t deadline)
{
    struct timespec ts, *tp = NULL;

    if (deadline != NO_DEADLINE) {
        ts.tv_sec = (time_t)(deadline / NSEC_PER_SEC);
        ts.tv_nsec = (long)(deadline % NSEC_PER_SEC);
        tp = &ts;
    }
    return SYS6(SYS_futex, addr, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, val, tp, 0, FUTEX_BITSET_MATCH_ANY);
}
static inline long sys_futex_wake(uint32_t *addr, int n)
{
    return SYS3(SYS_futex, addr, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, n);
}
static inline int sys_gettid(void)
{
    return (int)SYS0(SYS_gettid);
}
/* CLOCK_MONOTONIC in ns.  Our clock_gettime passes it on; through the vDSO it costs about 20 ns. */
static inline uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}
