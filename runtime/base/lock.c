/* Slow paths of the runtime's lock, and the rank check of debug builds. */
#include "runtime/base/lock.h"
#include "runtime/base/panic.h"
#include "runtime/base/sys.h"

#define SPINS 40

void vthr_lock_slow(struct vthr_lock *l)
{
    for (int i = 0; i < SPINS; i++) {
        uint32_t z = 0;

        if (load_relaxed(&l->word) == 0 && cas_acquire(&l->word, &z, 1u))
            return;
        arch_cpu_relax();
    }
    while (xchg_acquire(&l->word, 2u) != 0)
        sys_futex_wait(&l->word, 2, NO_DEADLINE);
}

void vthr_unlock_slow(struct vthr_lock *l)
{
    sys_futex_wake(&l->word, 1);
}

/* One bit a rank.  Locks of one rank never nest; a trylock may take any order, so it is not recorded. */
static VTHR_TLS uint32_t held;

void vthr_rank_push(int rank)
{
    if (rank == 0)
        return;
    if (held >> rank)
        vthr_panic("lock rank violated");
    held |= 1u << rank;
}
void vthr_rank_pop(int rank)
{
    held &= ~(1u << rank);
}
