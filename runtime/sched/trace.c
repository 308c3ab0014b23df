/* See trace.h. */
#include "runtime/sched/trace.h"
#include "runtime/mem/slab.h"
#include <errno.h>

bool vthr_tracing;
struct trace_ring *vthr_trace_common;
int vthr_trace_fd = -1;
static struct vthr_lock lk = VTHR_LOCK_INIT(RANK_LEAF); /* producers of the common ring */

int trace_rings(void)
{
    if (!vthr_trace_common)
        vthr_trace_common = meta_alloc(sizeof *vthr_trace_common);
    for (unsigned i = 0; i < vthr_nprocs && vthr_trace_common; i++) {
        vthr_procs[i].trace = meta_alloc(sizeof *vthr_procs[i].trace);
        if (!vthr_procs[i].trace)
            return -ENOMEM;
    }
    return vthr_trace_common ? 0 : -ENOMEM;
}

static void put(struct trace_ring *r, const struct trace_event *e)
{
    uint64_t head = load_relaxed(&r->head);

    if (unlikely(head - load_acquire(&r->tail) >= TRACE_RING)) {
        store_relaxed(&r->lost, r->lost + 1);
        return;
    }
    r->ev[head % TRACE_RING] = *e;
    store_release(&r->head, head + 1);
}

static uint32_t id(const struct vthread *v)
{
    return v ? vthread_index(v) + 1 : 0;
}

void trace_record(struct proc *p, enum trace_kind kind, const struct vthread *a, const struct vthread *b, int os, unsigned how,
                  unsigned what)
{
    struct trace_event e = { .a = id(a), .b = id(b), .os = (uint32_t)os, .kind = (uint8_t)kind, .how = (uint8_t)how, .what = (uint8_t)what };

    if (likely(p != NULL)) {
        e.at = arch_ticks();
        put(p->trace, &e);
    } else {
        lock(&lk);
        e.at = arch_ticks();
        put(vthr_trace_common, &e);
        unlock(&lk);
    }
}

void trace_wake_slow(const struct vthread *v)
{
    struct vthread *self = vthr_self;
    struct carrier *c = self ? self->carrier : vthr_carrier;
    struct proc *p = self ? self->proc : c ? c->proc : NULL;

    trace_record(p, TRACE_WAKE, self, v, c ? c->tid : 0, 0, 0);
}

void trace_reset_child(void)
{
    store_relaxed(&vthr_tracing, false);
    lock_init(&lk, RANK_LEAF);
    vthr_trace_common = NULL; /* the parent's events */
    if (vthr_trace_fd >= 0)
        SYS1(SYS_close, vthr_trace_fd);
    vthr_trace_fd = -1;
}
