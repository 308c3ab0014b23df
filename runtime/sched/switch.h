/* Leaving the running vthread: for the scheduler's own files. */
#pragma once
#include "runtime/sched/sched.h"

VTHR_BEGIN_DECLS
/* In the runtime.  Runs others; returns when v is mounted again, maybe on another carrier (never for HOW_EXIT). */
void switch_away(struct vthread *v, enum switch_how how);
VTHR_END_DECLS
