/* See blocking.h.
 *
 * A signal or a cancellation nudges the OS thread.  One that comes just before the system call would be lost in it: so the
 * call is made by arch_syscall_intr, which the nudge's handler can send back with -EINTR (thread/signal.c).  A handler that
 * runs after `intr` says that it ends the call leaves `attention` up, which arch_syscall_intr tests; one that ran before that, but
 * after the call began, is seen in `sig_ran`.
 *
 * A cancelled scope (thread/cancel.h) ends the calls that wait for others, and does not let those begin that are known to wait.  What
 * goes to a disk is neither: it ends by itself, and what cleans up must be able to save. */
#include "runtime/io/blocking.h"
#include "runtime/arch/context.h"
#include "runtime/io/fdtab.h"
#include "runtime/sched/sched.h"
#include "runtime/thread/cancel.h"
#include "runtime/thread/signal.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/stat.h>

/* Ends by itself. */
static bool is_storage(long nr, long fd)
{
    struct fdesc *d;

    switch (nr) {
    case SYS_readv:
    case SYS_writev:
        d = fd_peek((int)fd);
        return !d || d->kind == FD_FILE || d->kind == FD_UNKNOWN;
    case SYS_pread64:
    case SYS_pwrite64:
    case SYS_preadv:
    case SYS_pwritev:
    case SYS_preadv2:
    case SYS_pwritev2:
    case SYS_fsync:
    case SYS_fdatasync:
    case SYS_sync:
    case SYS_syncfs:
    case SYS_msync:
    case SYS_sync_file_range:
    case SYS_fallocate:
    case SYS_copy_file_range:
    case SYS_getrandom:
        return true;
    }
    return false;
}

/* Of other processes' threads, too; not in the parking lot (sync/futex.c). */
static bool is_lock(long nr)
{
    return nr == SYS_futex || nr == SYS_futex_waitv;
}

/* Nobody ends one that begins when the scope is cancelled.  Who does not look at the result tries again at once: slowly, as in sync/cond.c. */
static bool waits_for_lock(long nr, long op)
{
    switch (nr == SYS_futex ? op & FUTEX_CMD_MASK : FUTEX_WAIT) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET:
    case FUTEX_WAIT_REQUEUE_PI:
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2:
        return is_lock(nr);
    }
    return false;
}
static void wait_moment(struct vthread *v)
{
    struct timespec moment = { 0, 1000000 };

    block_begin(v, true);
    SYS2(SYS_nanosleep, &moment, NULL);
    block_end(v);
}

static bool opens_fifo(long nr, long dir, long path, long flags)
{
    struct stat st;

    return nr == SYS_openat && !(flags & O_NONBLOCK) && SYS4(SYS_newfstatat, dir, path, &st, 0) == 0 && S_ISFIFO(st.st_mode);
}

/* From here on a cancellation ends the call, unless it was cancelled before: then it is not begun, or tried without. */
static bool begin_stoppable(struct vthread *v, bool sure, long nr, long a, long b, long c)
{
    if (is_storage(nr, a))
        return true;
    v->cancellable = is_lock(nr) ? STOP_LOCK : STOP_POINT;
    compiler_barrier(); /* as `intr` */
    if (likely(!(load_relaxed(&v->stopped) & v->cancellable)))
        return true;
    v->cancellable = 0;
    if (waits_for_lock(nr, b)) {
        wait_moment(v);
        return false;
    }
    return !sure && !opens_fifo(nr, a, b, c);
}

long blocking_go_on(struct vthread *v, bool sure, bool restart, long nr, long a, long b, long c, long d, long e, long f)
{
    uint8_t ends = restart ? SIG_RAN_PLAIN : SIG_RAN_ANY;

    for (;;) {
        bool stoppable = false;
        long r = -EINTR;

        cancel_point(v);
        v->intr = ends;
        compiler_barrier(); /* this thread's handlers, no other thread's: intr first, then the look */
        if (!begin_stoppable(v, sure, nr, a, b, c)) {
            v->intr = 0;
            return -ECANCELED;
        }
        if (!(v->sig_ran & ends)) {
            block_begin(v, sure);
            block_note(v, wait_on_many(WAIT_CALL, (const void *)nr, (uint32_t)a));
            r = arch_syscall_intr(&v->attention, nr, a, b, c, d, e, f);
            arch_tp_mend();
            stoppable = load_relaxed(&v->stopped) & v->cancellable;
            v->cancellable = 0;
            block_end(v);
        }
        v->intr = v->cancellable = 0;
        if (unlikely(r == -EPIPE))
            signal_sigpipe(v);
        if (r != -EINTR)
            return r;
        cancel_point(v);
        if (v->sig_ran & ends)
            return r;
        if (stoppable)
            return -ECANCELED;
    }
}

long blocking_syscall(struct vthread *v, bool sure, bool restart, long nr, long a, long b, long c, long d, long e, long f)
{
    v->sig_ran = 0;
    return blocking_go_on(v, sure, restart, nr, a, b, c, d, e, f);
}
