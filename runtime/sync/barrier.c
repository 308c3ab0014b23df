/* Barriers.  glibc's struct pthread_barrier {in, current_round, count, shared, out}: count and shared are pthread_barrier_init's, `in` is
 * ours.  All is decided under the parking lot's bucket lock: the last to come resets `in` and wakes the others, who do not
 * touch the barrier again, so it can be used again or destroyed at once.
 *
 * Who is cancelled with its scope (vthr.h) has never been here, unless the last to come has woken it; a process-shared one is glibc's and
 * has no way back. */
#include "runtime/sync/barrier.h"
#include "runtime/base/real.h"
#include "runtime/sched/lot.h"
#include "runtime/sched/sched.h"
#include <errno.h>
#include <limits.h>

struct glibc_barrier {
    uint32_t in, round, count;
    int shared;
    uint32_t out;
};

static void not_here(void *arg)
{
    struct glibc_barrier *b = arg;

    b->in--;
}

int barrier_wait(pthread_barrier_t *pb)
{
    struct glibc_barrier *b = (struct glibc_barrier *)pb;
    struct waiter native, *w;
    struct lot_node n;
    struct lot_bucket *k;
    struct vthread *v = vthr_parkable();
    bool stopped = false;

    if (b->shared) {
        int r;

        if (v) {
            block_begin(v, true);
            block_note(v, wait_on(WAIT_BARRIER, pb));
        }
        r = REAL(pthread_barrier_wait)(pb);
        if (v)
            block_end(v);
        return r;
    }
    w = wait_enter(&native);
    k = lot_lock(b);
    if (++b->in == b->count) {
        b->in = 0;
        lot_wake_locked(k, b, INT_MAX, ~0u);
        lot_unlock(k);
        wait_leave(w);
        return PTHREAD_BARRIER_SERIAL_THREAD;
    }
    lot_queue(k, &n, b, w, waiter_prepare(w, wait_on(WAIT_BARRIER, b)));
    lot_unlock(k);
    while (lot_park_stay(&n, LOT_ENDS(STOP_WAIT))) { /* interrupted: handlers run, the place is kept */
        wait_leave(w);
        stopped = lot_stopped(LOT_ENDS(STOP_WAIT));
        w = wait_enter(&native);
        if (unlikely(stopped)) {
            stopped = lot_withdraw(&n, not_here, b);
            break;
        }
        if (!lot_resume(&n, w, wait_on(WAIT_BARRIER, b)))
            break;
    }
    wait_leave(w);
    return stopped ? ECANCELED : 0;
}

int barrier_destroy(pthread_barrier_t *pb)
{
    struct glibc_barrier *b = (struct glibc_barrier *)pb;

    return b->shared ? REAL(pthread_barrier_destroy)(pb) : 0;
}
