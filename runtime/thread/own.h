/* What the kernel keeps for an OS thread and a program sets for a thread: see own.c. */
#pragma once
#include "runtime/sched/bound.h"
#include <pthread.h>

VTHR_BEGIN_DECLS
/* A system call that changes it for the caller, v.  Its result, or -errno. */
long own_call(struct vthread *v, long nr, const long *args);
/* The same for another function: if own_begin says so, it may be called; then own_end: did it succeed? */
bool own_begin(struct vthread *v);
void own_end(struct vthread *v, bool changed);
/* A system call that sets it for `of`, live, whose number is its argument i; what is so already is not set.  Not inside the runtime. */
long own_set(struct vthread *of, long nr, const long *args, unsigned i);
/* The kernel's number to ask about `of`. */
int own_ask(struct vthread *of);
/* The kernel's number of an OS thread that is of's alone, and gets what is set for it; 0: none can be made. */
int own_tid(struct vthread *of);

/* What a new thread is to have. */
struct own_wishes {
    bool affinity, policy_given;
    int policy, priority;
    unsigned char cpus[128];
};
void own_read_attr(const pthread_attr_t *attr, struct own_wishes *w);
/* A new one of the caller's (NULL: a native thread's) has it already. */
bool own_has(const struct vthread *self, const struct own_wishes *w);
/* For bound_spawn; arg: struct own_wishes. */
int own_prepare(int tid, void *arg);

void own_ended(struct vthread *v); /* it takes no more signals */
VTHR_END_DECLS
