/* Read-write locks in the program's own pthread_rwlock_t.  0 or an errno value. */
#pragma once
#include "runtime/base/compiler.h"
#include <pthread.h>
#include <time.h>

VTHR_BEGIN_DECLS
/* abs NULL: no timeout. */
int rwlock_rdlock(pthread_rwlock_t *l, clockid_t clk, const struct timespec *abs);
int rwlock_wrlock(pthread_rwlock_t *l, clockid_t clk, const struct timespec *abs);
int rwlock_tryrdlock(pthread_rwlock_t *l);
int rwlock_trywrlock(pthread_rwlock_t *l);
int rwlock_unlock(pthread_rwlock_t *l);
VTHR_END_DECLS
