/* VTHR_MAX_THREADS: how many threads there may be at a time, the main one not counted. */
#pragma once
#include "runtime/base/compiler.h"

VTHR_BEGIN_DECLS
/* Before a thread is made: 0, or EAGAIN.  Waits, where the user wants that, outside the runtime. */
int limit_enter(void);
/* A thread has ended, or was not made after all. */
void limit_leave(void);
void limit_reset_child(void);
VTHR_END_DECLS
