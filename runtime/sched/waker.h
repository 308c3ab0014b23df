/* Who goes on after it woke somebody: see waker.c. */
#pragma once
#include "runtime/sched/sched.h"

VTHR_BEGIN_DECLS
/* Owner of p, which has just put one into `next` and had none there, while another processor slept. */
void waker_woke(struct proc *p);
/* As v stops, if p->woke_at is set. */
void waker_stops(struct proc *p, struct vthread *v);
/* A vthread outside the runtime does something that one which spins would do, too: called often, costs two loads mostly. */
void waker_may_spin(void);
VTHR_END_DECLS
