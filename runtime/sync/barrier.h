/* Barriers, once, and spinning.  0 or an errno value. */
#pragma once
#include "runtime/base/compiler.h"
#include <pthread.h>

VTHR_BEGIN_DECLS
int barrier_wait(pthread_barrier_t *b);
int barrier_destroy(pthread_barrier_t *b);
/* stops: what a cancelled scope ends, see STOP_*. */
int once_run(pthread_once_t *once, void (*fn)(void), unsigned stops);
int spin_lock(pthread_spinlock_t *l);
VTHR_END_DECLS
