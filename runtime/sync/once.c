/* pthread_once and spin locks.
 *
 * once: glibc's values, 0 never run, 1 running, 2 done, so that an object initialised before us or by libc means the same.  Waiters park
 * in the lot while it is 1.  An initialiser that is cancelled or throws puts it back to 0 (pthread_once(3p)).
 *
 * spin: the program believes that the holder runs on another CPU.  Here it may be parked behind us on this carrier: so
 * spin a little, then let others run. */
#include "runtime/base/real.h"
#include "runtime/sched/lot.h"
#include "runtime/sched/sched.h"
#include "runtime/sync/barrier.h"
#include <errno.h>
#include <limits.h>

#define ONCE_RUNNING 1u
#define ONCE_DONE 2u
#define SPINS 100

static void undo(uint32_t **w)
{
    if (*w) {
        store_release(*w, 0u);
        lot_wake(*w, INT_MAX);
    }
}

int once_run(pthread_once_t *once, void (*fn)(void), unsigned stops)
{
    uint32_t *w = (uint32_t *)once;

    for (;;) {
        uint32_t cur = load_acquire(w);

        if (likely(cur == ONCE_DONE))
            return 0;
        if (cur == ONCE_RUNNING) {
            if (lot_wait_ends(w, ONCE_RUNNING, NO_DEADLINE, ~0u, LOT_ENDS(stops), wait_on(WAIT_ONCE, once)) == -EINTR &&
                lot_stopped(LOT_ENDS(stops)))
                return ECANCELED;
            continue;
        }
        if (!cas_acquire(w, &cur, ONCE_RUNNING))
            continue;
        __attribute__((cleanup(undo))) uint32_t *unwinding = w;

        fn();
        unwinding = NULL;
        store_release(w, ONCE_DONE);
        lot_wake(w, INT_MAX);
        return 0;
    }
}

int spin_lock(pthread_spinlock_t *l)
{
    for (unsigned i = 0; REAL(pthread_spin_trylock)(l) != 0; i++) {
        struct vthread *v;

        if (i % SPINS || i == 0 || !(v = vthr_parkable())) {
            arch_cpu_relax();
            continue;
        }
        rt_enter(v);
        bool ran = sched_yield_now(v);
        rt_leave(v);
        if (!ran)
            SYS0(SYS_sched_yield);
    }
    return 0;
}
