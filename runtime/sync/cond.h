/* Condition variables in the program's own pthread_cond_t.  0 or an errno value. */
#pragma once
#include "runtime/base/compiler.h"
#include <pthread.h>
#include <time.h>

VTHR_BEGIN_DECLS
int cond_wait(pthread_cond_t *c, pthread_mutex_t *m);
/* On the clock of the condition's attribute. */
int cond_timedwait(pthread_cond_t *c, pthread_mutex_t *m, const struct timespec *abs);
int cond_clockwait(pthread_cond_t *c, pthread_mutex_t *m, clockid_t clk, const struct timespec *abs);
int cond_signal(pthread_cond_t *c);
int cond_broadcast(pthread_cond_t *c);
VTHR_END_DECLS
