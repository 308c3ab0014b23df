/* What a vthread has used of the CPU: CLOCK_THREAD_CPUTIME_ID, getrusage(RUSAGE_THREAD).
 *
 * The kernel counts for OS threads.  So a vthread is charged, whenever it leaves one, with what that has used since it came.  That costs
 * a system call for each switch, so it begins when somebody asks first; what was used before is not counted, but for the main
 * thread's up to the first pthread_create.  What getrusage tells besides CPU time is counted for those only that have asked for it, from then
 * on.  One that has an OS thread from its birth to its end needs none of this. */
#pragma once
#include "runtime/sched/sched.h"
#include <sys/resource.h>

enum usage_level { USAGE_NONE, USAGE_CPU, USAGE_ALL };

VTHR_BEGIN_DECLS
extern uint32_t vthr_usage_level; /* what switches take note of */

/* From now on so much is counted.  Also before activation. */
void usage_begin(enum usage_level level);
/* The main thread is about to become a vthread. */
void usage_adopt_main(void);
/* CPU time in ns.  Of the caller, or of another live one.  Not inside the runtime. */
uint64_t usage_cpu(struct vthread *v);
/* The caller's.  0 or -errno. */
long usage_all(struct vthread *self, struct rusage *out);

/* --- For the scheduler --- */
void usage_switch_slow(struct carrier *c, struct vthread *from, struct vthread *to);
/* On c one of them goes and another comes; NULL: the carrier's own context. */
static inline void usage_switch(struct carrier *c, struct vthread *from, struct vthread *to)
{
    if (unlikely(load_relaxed(&vthr_usage_level)))
        usage_switch_slow(c, from, to);
}
void usage_forget(struct vthread *v); /* it has ended */
void usage_reset_child(void);
VTHR_END_DECLS
