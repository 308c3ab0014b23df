/* OS threads of the runtime's own: carriers, the monitor, the signal receiver. */
#pragma once
#include "runtime/base/compiler.h"

VTHR_BEGIN_DECLS
/* Starts a detached native thread with all signals but SIG_SETXID blocked and `stack` bytes beyond the static TLS, which glibc takes out of
 * a thread's stack.  0 or -errno. */
int native_start(void *(*fn)(void *), void *arg, size_t stack);
void native_reset_child(void);
/* Asks the kernel to run the calling thread soon after it wakes, by a short time slice, or (false) as any other: where hundreds of
 * threads compute, EEVDF lets a thread of the usual slice wait for a whole round of theirs.  Linux 6.12, sched_setattr(2); without
 * effect on others. */
void native_hurry(bool on);
VTHR_END_DECLS
