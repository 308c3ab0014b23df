/* See blocking.h.
 *
 * A signal or a cancellation nudges the OS thread.  One that comes just before the system call would be lost in it: so the
 * call is made by arch_syscall_intr, which the nudge's handler can send back with -EINTR (thread/signal.c). */
#include "runtime/io/blocking.h"
#include "runtime/arch/context.h"
#include "runtime/sched/sched.h"
#include "runtime/thread/cancel.h"
#include <errno.h>

long blocking_syscall(struct vthread *v, bool sure, bool restart, long nr, long a, long b, long c, long d, long e, long f)
{
    for (;;) {
        long r;

        cancel_point(v);
        v->sig_eintr = v->sig_ran = 0;
        block_begin(v, sure);
        r = arch_syscall_intr(&v->attention, nr, a, b, c, d, e, f);
        arch_tp_mend();
        block_end(v);
        if (r != -EINTR)
            return r;
        cancel_point(v);
        if (restart ? v->sig_eintr : v->sig_ran)
            return r;
    }
}
