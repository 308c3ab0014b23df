/* Which vthread runs next: the queues behind sched_ready, seen by the scheduler's own files only. */
#pragma once
#include "runtime/sched/sched.h"

#define POLL_MIN 61 /* mounts between two looks at the poller, at least */

VTHR_BEGIN_DECLS
/* Owner of p: the next vthread of its own queues; NULL: none, or it is time to look at the poller. */
struct vthread *ready_pick_local(struct proc *p);
/* Owner of p: from anywhere, stealing included. */
struct vthread *ready_find(struct proc *p);
/* Nothing anywhere that p's owner could run. */
bool ready_nothing(struct proc *p);
uint32_t ready_global_len(void);
/* Starts a processor that has never run, on a carrier that get returns. */
bool proc_start(struct proc *p, struct carrier *(*get)(void));
void ready_reset_child(void);
VTHR_END_DECLS
