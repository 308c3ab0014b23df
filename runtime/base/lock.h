/* The runtime's own lock, between OS threads: 0 free, 1 held, 2 held with sleepers (Drepper, "Futexes are tricky", mutex2).
 * Held for tens of instructions, never across a switch or user code, so sleeping is rare; it exists because on a
 * single core a preempted holder would otherwise be spun on for a whole time slice.
 *
 * Ranks order the locks; debug builds assert that a thread acquires in rising rank only (lock.c). */
#pragma once
#include "runtime/base/atomic.h"
#include "runtime/base/compiler.h"

enum vthr_rank {
    RANK_BOOT = 1, /* activation */
    RANK_SIGNAL,   /* signal dispositions and the dispatcher's lists */
    RANK_POLLER,   /* one libev loop */
    RANK_FD,       /* one descriptor */
    RANK_TASK,     /* native API: a task's result */
    RANK_SCOPE,    /* native API: a scope; from the outermost inwards */
    RANK_OBJECT,   /* native API: a channel, a semaphore, ... */
    RANK_LOT,      /* one bucket of the parking lot */
    RANK_TIMERS,   /* one processor's timers */
    RANK_GLOBAL_RUNQ,
    RANK_CARRIERS, /* list of spare carriers */
    RANK_SHELLS,
    RANK_FDTAB, /* growth of a table: descriptors, timers of threads */
    RANK_SLABS,
    RANK_LEAF,
};

struct vthr_lock {
    uint32_t word;
    uint8_t rank;
};

#define VTHR_LOCK_INIT(r) { 0, (r) }

VTHR_BEGIN_DECLS
void vthr_lock_slow(struct vthr_lock *l);
void vthr_unlock_slow(struct vthr_lock *l);
void vthr_rank_push(int rank);
void vthr_rank_pop(int rank);

static inline void lock_init(struct vthr_lock *l, enum vthr_rank rank)
{
    l->word = 0;
    l->rank = (uint8_t)rank;
}
static inline bool try_lock(struct vthr_lock *l)
{
    uint32_t z = 0;

    if (!cas_acquire(&l->word, &z, 1u))
        return false;
#ifdef VTHR_DEBUG_CHECKS
    vthr_rank_push(0);
#endif
    return true;
}
static inline void lock(struct vthr_lock *l)
{
    uint32_t z = 0;

#ifdef VTHR_DEBUG_CHECKS
    vthr_rank_push(l->rank);
#endif
    if (unlikely(!cas_acquire(&l->word, &z, 1u)))
        vthr_lock_slow(l);
}
static inline void unlock(struct vthr_lock *l)
{
#ifdef VTHR_DEBUG_CHECKS
    vthr_rank_pop(l->rank);
#endif
    if (unlikely(xchg_release(&l->word, 0u) == 2))
        vthr_unlock_slow(l);
}
VTHR_END_DECLS
