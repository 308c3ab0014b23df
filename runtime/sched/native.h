/* OS threads of the runtime's own: carriers, the monitor, the signal receiver. */
#pragma once
#include "runtime/base/compiler.h"

VTHR_BEGIN_DECLS
/* Starts a detached native thread with all signals blocked and `stack` bytes beyond the static TLS, which glibc takes out of
 * a thread's stack.  0 or -errno. */
int native_start(void *(*fn)(void *), void *arg, size_t stack);
VTHR_END_DECLS
