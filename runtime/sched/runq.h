/* A processor's run queue: a ring with one producer (who owns the processor) and many consumers (owner and thieves).
 *
 * head is advanced by CAS by whoever takes; tail by the owner only, with release, after the slot is written.  A thief copies
 * slots first and then claims them by the CAS, so a slot that the owner reuses meanwhile makes that CAS fail.
 * (The scheme of Go's runtime: src/runtime/proc.go, runqput, runqget, runqgrab.) */
#pragma once
#include "runtime/base/atomic.h"
#include "runtime/base/compiler.h"

struct vthread;

#define RUNQ_SIZE 256u

struct runq {
    uint32_t head VTHR_ALIGNED(VTHR_CACHELINE);
    uint32_t tail VTHR_ALIGNED(VTHR_CACHELINE);
    struct vthread *ring[RUNQ_SIZE];
};

static inline uint32_t runq_len(const struct runq *q)
{
    uint32_t h = load_acquire(&q->head), t = load_acquire(&q->tail);

    return t - h > RUNQ_SIZE ? 0 : t - h;
}
/* Owner.  False: full. */
/* Owner only: the i-th that it will take, unless somebody steals; or NULL.  A hint. */
static inline struct vthread *runq_peek(const struct runq *q, uint32_t i)
{
    uint32_t h = load_relaxed(&q->head);

    return load_relaxed(&q->tail) - h > i ? load_relaxed(&q->ring[(h + i) % RUNQ_SIZE]) : NULL;
}
static inline bool runq_push(struct runq *q, struct vthread *v)
{
    uint32_t h = load_acquire(&q->head), t = load_relaxed(&q->tail);

    if (t - h == RUNQ_SIZE)
        return false;
    store_relaxed(&q->ring[t % RUNQ_SIZE], v);
    store_release(&q->tail, t + 1);
    return true;
}
/* Owner. */
static inline struct vthread *runq_pop_spmc(struct runq *q)
{
    uint32_t h = load_acquire(&q->head);

    for (;;) {
        if (h == load_relaxed(&q->tail))
            return NULL;
        struct vthread *v = load_relaxed(&q->ring[h % RUNQ_SIZE]);

        if (cas_acq_rel(&q->head, &h, h + 1))
            return v;
    }
}
/* Owner of `to`, which must be empty: takes half of `from`.  Returns how many. */
static inline uint32_t runq_steal_spmc(struct runq *to, struct runq *from)
{
    for (;;) {
        uint32_t h = load_acquire(&from->head), t = load_acquire(&from->tail);
        uint32_t n = t - h;

        n -= n / 2;
        if (n == 0)
            return 0;
        if (n > RUNQ_SIZE / 2) /* head and tail were not read at one instant */
            continue;
        uint32_t base = load_relaxed(&to->tail);

        for (uint32_t i = 0; i < n; i++)
            store_relaxed(&to->ring[(base + i) % RUNQ_SIZE], load_relaxed(&from->ring[(h + i) % RUNQ_SIZE]));
        if (cas_acq_rel(&from->head, &h, h + n)) {
            store_release(&to->tail, base + n);
            return n;
        }
    }
}
