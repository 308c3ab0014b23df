/* Shells: a stack with its glibc thread image and vthread descriptor, recycled. */
#pragma once
#include "runtime/sched/vthread.h"

VTHR_BEGIN_DECLS
/* A vthread with `stack` bytes of stack and a guard, or, with user_stack, on the caller's memory.  Its image is as good
 * as new; of the descriptor tid, pd, stack_lo, stack_size, block are set and the rest is zero.  NULL: no memory. */
struct vthread *shell_get(size_t stack, size_t guard, void *user_stack);
/* Nobody runs on it or refers to it any more. */
void shell_put(struct vthread *v);
void *shell_stack_top(struct vthread *v);
/* All vthread descriptors ever made are 0..n-1, see vthread_by_tid. */
uint32_t shell_count(void);
extern struct vthread **vthr_registry;
extern uint32_t vthr_nshells; /* for diag/debug.c; others ask shell_count */
void shell_reset_child(void);
VTHR_END_DECLS
