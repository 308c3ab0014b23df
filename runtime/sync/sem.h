/* Semaphores in the program's own sem_t.  0 or -errno. */
#pragma once
#include "runtime/base/compiler.h"
#include <semaphore.h>
#include <time.h>

VTHR_BEGIN_DECLS
int sema_wait(sem_t *s, clockid_t clk, const struct timespec *abs);
int sema_trywait(sem_t *s);
int sema_post(sem_t *s);
VTHR_END_DECLS
