/* What every file of wrappers shares.
 *
 * How to add a wrapper:
 *   1. If the real function is needed, add its name to VTHR_REAL_LIST (runtime/base/real.h).
 *   2. Write `HOOK type name(args)` in the file of its family: one line for a process without threads or a caller that cannot
 *      park (`vthr_parkable()` is NULL), one for the runtime's function.  Logic belongs in runtime/.
 *   3. Runtime functions return -errno; `posix()` turns that into -1 and errno.
 *   4. A system call that blocks and cannot park goes through BLOCKING, a libc function through ANNOUNCED.
 *   5. Names with two symbol versions in libc get both: see pthread_cond.c and exports.map.
 *   6. Add the fortified (__*_chk) and 64-bit names, a test under tests/preload/, and a row in docs/compatibility.md. */
#pragma once
#include "runtime/base/real.h"
#include "runtime/runtime.h"
#include <errno.h>

#define HOOK VTHR_EXPORT
#define ALIAS(name) __attribute__((visibility("default"), alias(#name), copy(name)))

static inline long posix(long r)
{
    if (unlikely(r < 0)) {
        errno = (int)-r;
        return -1;
    }
    return r;
}

/* A call of libc's that can block its OS thread and is no plain system call (those go through BLOCKING): announced.
 * sure: see block_begin.  It is not repeated after a signal; errno is kept. */
#define ANNOUNCED(v, sure, expr) \
    ({                                \
        __typeof__(expr) r_;          \
        int e_ = errno;               \
        block_begin((v), (sure));     \
        errno = e_; /* %m of syslog */ \
        r_ = (expr);                  \
        e_ = errno;                   \
        block_end(v);                 \
        errno = e_;                   \
        r_;                           \
    })

/* A libc function that blocks all signals for a moment, as those do that start threads of libc's own: see carrier_pin. */
#define PINNED(expr)              \
    ({                            \
        carrier_pin();            \
        __typeof__(expr) p_ = (expr); \
        int f_ = errno;           \
        carrier_unpin();          \
        errno = f_;               \
        p_;                       \
    })

/* The body of a hook whose libc function is announced as it is. */
#define FORWARD(sure, call)              \
    struct vthread *v = vthr_parkable(); \
    return v ? ANNOUNCED(v, sure, call) : (call)

/* What the runtime makes of a call that is no cancellation point in libc, by parts that are. */
#define NO_CANCEL_POINT(v, expr)       \
    ({                                 \
        bool held_ = cancel_hold(v);   \
        __typeof__(expr) got_ = (expr); \
        cancel_release(v, held_);      \
        got_;                          \
    })

/* A request of ptrace's that makes the calling OS thread a tracer, or one that is traced. */
static inline bool traces_for_itself(long request)
{
    return request == PTRACE_TRACEME || request == PTRACE_ATTACH || request == PTRACE_SEIZE;
}

/* A system call that sets a property of the thread whose number is its argument i, 0 being the caller, v. */
long own_by_number(struct vthread *v, long nr, const long *a, unsigned i) VTHR_HIDDEN;

/* A timer on a thread's CPU time is the kernel's: that thread gets an OS thread of its own, whose clock this is.  Others as they are. */
clockid_t clock_for_timer(clockid_t clk) VTHR_HIDDEN;

/* rt_tgsigqueueinfo to a vthread; rt_sigqueueinfo to the own process, by v. */
long raw_queue_thread(struct vthread *to, int sig, const siginfo_t *info) VTHR_HIDDEN;
long raw_queue_process(struct vthread *v, int sig, const siginfo_t *info) VTHR_HIDDEN;

/* A new descriptor, or -1. */
static inline int fresh(int fd)
{
    if (vthr_active && fd >= 0)
        fd_fresh(fd);
    return fd;
}

/* A new description behind one or two numbers, which no other process has: see runtime/io/mode.h. */
#define BORN(call)                                          \
    ({                                                      \
        uint64_t stamp_ = fd_tracked() ? fd_sharing() : 0;  \
        int fd_ = (call);                                   \
        if (fd_ >= 0 && fd_tracked())                       \
            fd_born(fd_, stamp_);                           \
        fd_;                                                \
    })
#define BORN_PAIR(fds, call)                                \
    ({                                                      \
        uint64_t stamp_ = fd_tracked() ? fd_sharing() : 0;  \
        int r_ = (call);                                    \
        if (r_ == 0 && fd_tracked()) {                      \
            fd_born((fds)[0], stamp_);                      \
            fd_born((fds)[1], stamp_);                      \
        }                                                   \
        r_;                                                 \
    })

/* A call that may give another process what is open here. */
#define SHARING(call)                        \
    ({                                       \
        bool active_ = vthr_active;          \
        if (active_)                         \
            fd_sharing_begin();              \
        __typeof__(call) shared_ = (call);   \
        int h_ = errno;                      \
        if (active_)                         \
            fd_sharing_end(true);            \
        errno = h_;                          \
        shared_;                             \
    })

/* A process that has our table of descriptors, or our memory for longer than a vfork child, may change modes at any time from now on:
 * the sharing never ends. */
static inline void clone_shares(uint64_t flags)
{
    bool ends = !(flags & CLONE_FILES) && (!(flags & CLONE_VM) || (flags & CLONE_VFORK));

    if (vthr_active && !ends && !(flags & CLONE_THREAD))
        fd_sharing_begin();
}

extern void __chk_fail(void) VTHR_NORETURN; /* libc: reports an overflow that _FORTIFY_SOURCE found */
