/* Waits for locks inside libc that somebody holds while parked: those of streams.
 *
 * libc's internal locks are words as the parking lot knows them: 0 free, 1 held, 2 held with waiters.  Who finds one held calls a
 * function of libc's that sleeps in the kernel, on an OS thread of its own; who frees one that was 2 calls another.  Both are
 * made to jump here.  The paths without contention stay as they are. */
#pragma once
#include "runtime/base/compiler.h"

VTHR_BEGIN_DECLS
/* At activation.  Leaves libc alone where its functions do not look as expected: then all waits are the kernel's. */
void liblock_install(void);
/* Between these the calling vthread, which has the lock, may park: others park for the lock too. */
void liblock_hold(const void *word);
void liblock_unhold(const void *word);
void liblock_reset_child(void);
VTHR_END_DECLS
