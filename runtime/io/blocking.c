/* See blocking.h.
 *
 * A signal or a cancellation nudges the OS thread.  One that comes just before the system call would be lost in it: so the
 * call is made by arch_syscall_intr, which the nudge's handler can send back with -EINTR (thread/signal.c).  A handler that
 * runs after `intr` says that it ends the call leaves `attention` up, which arch_syscall_intr tests; one that ran before that, but
 * after the call began, is seen in `sig_ran`. */
#include "runtime/io/blocking.h"
#include "runtime/arch/context.h"
#include "runtime/sched/sched.h"
#include "runtime/thread/cancel.h"
#include <errno.h>

long blocking_go_on(struct vthread *v, bool sure, bool restart, long nr, long a, long b, long c, long d, long e, long f)
{
    uint8_t ends = restart ? SIG_RAN_PLAIN : SIG_RAN_ANY;

    for (;;) {
        long r = -EINTR;

        cancel_point(v);
        v->intr = ends;
        compiler_barrier(); /* this thread's handlers, no other thread's: intr first, then the look */
        if (!(v->sig_ran & ends)) {
            block_begin(v, sure);
            block_note(v, wait_on_many(WAIT_CALL, (const void *)nr, (uint32_t)a));
            r = arch_syscall_intr(&v->attention, nr, a, b, c, d, e, f);
            arch_tp_mend();
            block_end(v);
        }
        v->intr = 0;
        if (r != -EINTR)
            return r;
        cancel_point(v);
        if (v->sig_ran & ends)
            return r;
    }
}

long blocking_syscall(struct vthread *v, bool sure, bool restart, long nr, long a, long b, long c, long d, long e, long f)
{
    v->sig_ran = 0;
    return blocking_go_on(v, sure, restart, nr, a, b, c, d, e, f);
}
