/* Bound vthreads: those that keep an OS thread for themselves. */
#pragma once
#include "runtime/sched/sched.h"

VTHR_BEGIN_DECLS
/* Starts a new vthread on an OS thread of its own.  Its number, gettid(), becomes the kernel's.  prepare, if not NULL, is called with the
 * OS thread's number before the vthread runs; what it returns, if not 0, is returned and the vthread does not run.  0 or -errno.  Inside the
 * runtime or on a native thread. */
int bound_spawn(struct vthread *v, int (*prepare)(int tid, void *arg), void *arg);
/* The caller, outside the runtime, keeps the OS thread that it is on until its end, and that thread ends with it.  A vthread on the
 * process's first OS thread moves, unless it is the main one.  0 or -EAGAIN. */
int bound_for_life(struct vthread *v);
/* The caller runs on the process's first OS thread, whose number is the main thread's, and is not it. */
bool bound_shares_main(const struct vthread *v);
/* To an OS thread of its own, from there.  0 or -EAGAIN. */
int bound_move(struct vthread *v);
/* The caller, outside the runtime: rt_hold and bound_hold, on an OS thread that is not the main thread's. */
void bound_stay(struct vthread *v);
/* Between bound_stay and rt_unhold: its OS thread gives its processor away, and will need no other carrier started by it, which would get what
 * the kernel keeps for it. */
void bound_give_up_proc(struct vthread *v);
/* Every processor has an owner from now on, so that one that has no processor starts no carrier. */
void bound_start_procs(void);
/* An OS thread that waits for a vthread to come (vthread.reserve).  NULL: none can be made. */
struct carrier *bound_reserve(void);
void bound_unreserve(struct carrier *c);
/* The caller, outside the runtime, goes to the one that is reserved for it, unless it must stay for now. */
void bound_take(struct vthread *v);
/* The same for a while: the n-th release ends what n holds began. */
void bound_hold(struct vthread *v);
void bound_release(struct vthread *v);

/* The kernel's number of v's OS thread, if it is bound for life; else 0. */
int bound_os_tid(const struct vthread *v);
/* Bound vthreads that have the kernel's number for their own: the one whose image shows it (pd), or that has it (pd == NULL). */
struct vthread *bound_find(uint32_t tid, const void *pd);

/* --- For the scheduler --- */
/* Makes v run on its OS thread. */
void bound_ready(struct vthread *v);
/* On a carrier's own context, c->bound being set: gives its processor away, waits until its vthread may run.  NULL: it has none any more. */
struct vthread *bound_wait(struct carrier *c);
/* c's processor goes to a spare. */
void bound_give_away(struct carrier *c);
/* On the new OS thread, first thing. */
void bound_begin(struct carrier *c);
/* v has left its stack for good; by its OS thread. */
void bound_finished(struct vthread *v);
void bound_reset_child(void);
VTHR_END_DECLS
