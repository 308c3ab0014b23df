/* The event trace: what is recorded.  diag/tracefile.c writes it to VTHR_TRACE.
 *
 * Each processor has a ring that its owner fills and the writer empties; who has no processor uses a common one, under a lock.
 * A full ring drops what comes and counts it: recording never waits.  Times are the processor's cycle counter's, which is several times
 * cheaper than the clock. */
#pragma once
#include "runtime/base/lock.h"
#include "runtime/sched/sched.h"

enum trace_kind { TRACE_SWITCH, TRACE_WAKE, TRACE_SPAWN, TRACE_HANDOFF };

struct trace_event {
    uint64_t at;
    uint32_t a, b;   /* vthreads, by vthread_index + 1, 0: none.  SWITCH: from, to (0: the carrier's own context); WAKE, SPAWN: by
                        whom, whom */
    uint32_t os;     /* OS thread */
    uint8_t kind;    /* enum trace_kind */
    uint8_t how;     /* SWITCH: enum switch_how; HANDOFF: enum handoff_cause */
    uint8_t what;    /* SWITCH: enum wait_kind */
    uint8_t pad;
};

#define TRACE_RING 65536u /* events */

struct trace_ring {
    uint64_t head VTHR_ALIGNED(VTHR_CACHELINE); /* next to write; by the producer */
    uint64_t lost;
    uint64_t tail VTHR_ALIGNED(VTHR_CACHELINE); /* next to read; by the writer */
    struct trace_event ev[TRACE_RING];
};

VTHR_BEGIN_DECLS
extern bool vthr_tracing;
extern struct trace_ring *vthr_trace_common; /* of those without a processor */
extern int vthr_trace_fd;                    /* -1: none */

/* 0 or -ENOMEM: the rings. */
int trace_rings(void);
void trace_record(struct proc *p, enum trace_kind kind, const struct vthread *a, const struct vthread *b, int os, unsigned how,
                  unsigned what);
void trace_wake_slow(const struct vthread *v);

static inline void trace_switch(struct proc *p, const struct carrier *c, const struct vthread *from, const struct vthread *to)
{
    if (unlikely(load_relaxed(&vthr_tracing)))
        trace_record(p, TRACE_SWITCH, from, to, c->tid, from ? from->how : 0,
                     from && from->how == HOW_PARK ? from->w.what.kind : WAIT_NONE);
}
static inline void trace_wake(const struct vthread *v)
{
    if (unlikely(load_relaxed(&vthr_tracing)))
        trace_wake_slow(v);
}
void trace_reset_child(void);
VTHR_END_DECLS
