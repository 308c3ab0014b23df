/* System calls that block their OS thread, announced so that others go on. */
#pragma once
#include "runtime/sched/vthread.h"

VTHR_BEGIN_DECLS
/* Makes system call nr on vthread v, outside the runtime.  Returns its value or -errno.
 * sure: it will block for long: the processor is handed off at once (sched.h, block_begin).
 * restart: signal handlers with SA_RESTART do not end it (signal(7)); else any handler does.
 * A cancellation point while it blocks; -ECANCELED when the scope around it was cancelled. */
long blocking_syscall(struct vthread *v, bool sure, bool restart, long nr, long a, long b, long c, long d, long e, long f);
/* The same as the last part of a call that began earlier: a handler that ran since counts. */
long blocking_go_on(struct vthread *v, bool sure, bool restart, long nr, long a, long b, long c, long d, long e, long f);

#define BLOCKING(v, sure, restart, nr, a, b, c, d, e, f) \
    blocking_syscall((v), (sure), (restart), (nr), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
VTHR_END_DECLS
