/* The program's own futexes, by syscall(SYS_futex). */
#pragma once
#include "runtime/base/compiler.h"
#include <time.h>

VTHR_BEGIN_DECLS
/* True: handled, *ret is the value or -errno.  False: for the kernel. */
bool futex_call(uint32_t *addr, int op, uint32_t val, const struct timespec *timeout, uint32_t *addr2, uint32_t val3,
                long *ret);
VTHR_END_DECLS
