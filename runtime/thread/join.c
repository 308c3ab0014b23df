/* Joining and detaching.  v->join: 0 joinable, 1 somebody joins, 2 detached; changed by CAS. */
#include "runtime/base/real.h"
#include "runtime/sched/lot.h"
#include "runtime/sched/sched.h"
#include "runtime/thread/cancel.h"
#include "runtime/thread/thread.h"
#include <errno.h>

struct claim {
    struct vthread *v;
};
/* A cancelled join leaves its target joinable. */
static void unclaim(struct claim *c)
{
    if (c->v)
        store_release(&c->v->join, 0u);
}

int thread_join(pthread_t th, void **result, uint64_t deadline)
{
    struct vthread *v = thread_of(th), *self = vthr_parkable();
    uint32_t free_ = 0;
    int r;

    if (!v)
        return REAL(pthread_join)(th, result);
    if (load_acquire(&v->life) == VT_FREE)
        return EINVAL; /* detached, and gone: what libc answers while it still has the memory */
    if (deadline == 0 && !load_acquire(&v->done))
        return load_relaxed(&v->join) == 2 ? EINVAL : EBUSY;
    if (v == self)
        return load_relaxed(&v->join) == 2 ? EINVAL : EDEADLK;
    if (self)
        cancel_point(self);
    if (!cas_acq_rel(&v->join, &free_, 1u))
        return EINVAL;
    __attribute__((cleanup(unclaim))) struct claim c = { v };

    while (!load_acquire(&v->done)) {
        r = lot_wait_ends(&v->done, 0, deadline, ~0u, LOT_CANCEL, wait_on(WAIT_JOIN, v));
        if (r == -ETIMEDOUT && !load_acquire(&v->done))
            return ETIMEDOUT;
        if (self)
            cancel_point(self);
        if (r == -EINTR && self && cancel_stopped(self) && !load_acquire(&v->done))
            return ECANCELED;
    }
    c.v = NULL;
    if (result)
        *result = v->result;
    thread_unref(v);
    return 0;
}

int thread_detach(pthread_t th)
{
    struct vthread *v = thread_of(th);
    uint32_t free_ = 0;

    if (!v)
        return REAL(pthread_detach)(th);
    if (load_acquire(&v->life) == VT_FREE)
        return EINVAL;
    if (!cas_acq_rel(&v->join, &free_, 2u))
        return free_ == 2 ? EINVAL : 0; /* being joined: glibc lets it pass */
    thread_unref(v);
    return 0;
}
