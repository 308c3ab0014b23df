/* setuid and its family: one identity for all OS threads. */
#pragma once
#include "runtime/sched/vthread.h"

VTHR_BEGIN_DECLS
/* Activation, after the first OS thread was started. */
void setid_start(void);
/* In a forked child: libc's handler is the kernel's again. */
void setid_reset_child(void);
/* fn(args), a call of libc's that changes the identity of all threads, made by v, which is outside the runtime (NULL: a native thread).  Its value, or -errno.
 * Not a cancellation point; waits until each OS thread of the process has answered. */
int setid_call(struct vthread *v, int (*fn)(const long *args), const long *args);
VTHR_END_DECLS
