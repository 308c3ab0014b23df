/* Vthreads that wait for each other in a circle. */
#ifndef VTHR_TOOL_DEADLOCK_H
#define VTHR_TOOL_DEADLOCK_H

#include "runtime/tool/snapshot.h"

/* Fills in cycle and deadlocks; the vthreads are sorted by number.  False: no memory. */
bool deadlock_search(struct target *t, struct snapshot *s);

#endif
