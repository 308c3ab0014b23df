/* Mutexes in the program's own pthread_mutex_t, laid out as glibc's.  All return 0 or an errno value. */
#pragma once
#include "runtime/base/compiler.h"
#include "runtime/sync/name.h"
#include <pthread.h>
#include <time.h>

VTHR_BEGIN_DECLS
/* The caller's name while libc locks or unlocks m (name.h). */
struct os_name mutex_name(pthread_mutex_t *m);
int mutex_lock(pthread_mutex_t *m);
int mutex_trylock(pthread_mutex_t *m);
int mutex_timedlock(pthread_mutex_t *m, clockid_t clk, const struct timespec *abs);
int mutex_unlock(pthread_mutex_t *m);
int mutex_consistent(pthread_mutex_t *m);
/* Robust, process-shared or priority-protecting: glibc's business. */
bool mutex_is_foreign(const pthread_mutex_t *m);
/* For condition variables: gives the mutex up whatever its recursion, and takes it back. */
int mutex_release_all(pthread_mutex_t *m, unsigned *count);
void mutex_reacquire(pthread_mutex_t *m, unsigned count);
VTHR_END_DECLS
