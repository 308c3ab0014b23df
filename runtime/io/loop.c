/* A program's own event loop does nothing but epoll_wait and calls that never wait.  Parked, each of its waits costs several system
 * calls of the poller's (its epoll descriptor is watched by ours) where natively it costs one.  So a vthread that waits in
 * epoll_wait again and again gives its processor away, once, and blocks its OS thread in the call itself: it runs on as a
 * native thread would, until it parks for something else.
 *
 * Such threads are as few as CPUs in programs of that kind.  A program with an epoll set for each of its many threads must
 * not get an OS thread for each: no more than MAX_LOOPS at a time are let.  One that parks in between, so that each wait is a
 * handoff, loses its credit and parks like others for the next TRIES waits.  One whose last CREDIT waits were none also has its thread pointer told to
 * the kernel (carrier_settle): each preemption would cost a trap otherwise. */
#include "runtime/io/loop.h"
#include "runtime/base/atomic.h"
#include "runtime/sched/sched.h"

#define MAX_LOOPS 8u
#define TRIES 64
#define CREDIT 32   /* earned by a wait without a handoff, at most */
#define HANDOFF 4   /* and what a handoff costs */

static uint32_t n_loops; /* vthreads with loop_credit > 0 */

static bool begin(void)
{
    uint32_t n = load_relaxed(&n_loops);

    do
        if (n >= MAX_LOOPS)
            return false;
    while (!cas_acq_rel(&n_loops, &n, n + 1));
    return true;
}

static void settle(struct vthread *v)
{
    rt_enter(v);
    carrier_settle(v);
    rt_leave(v);
}

bool loop_blocks(struct vthread *v)
{
    if (v->loop_credit) {
        bool handoff = v->carrier->proc != NULL;

        if (!handoff) {
            if (v->loop_credit < CREDIT)
                v->loop_credit++;
            else if (!v->settled)
                settle(v);
            return true;
        }
        if (v->loop_credit > HANDOFF) {
            v->loop_credit -= HANDOFF;
            return true;
        }
        loop_forget(v);
        return false;
    }
    if (++v->loop_waits < TRIES)
        return false;
    v->loop_waits = 0;
    if (!begin())
        return false;
    v->loop_credit = CREDIT;
    return true;
}

void loop_forget(struct vthread *v)
{
    if (v->loop_credit)
        fetch_sub_acq_rel(&n_loops, 1u);
    v->loop_credit = 0;
}

void loop_reset_child(void)
{
    n_loops = 0;
}
