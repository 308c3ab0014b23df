/* Cancellation.  The state lives in glibc's own cancelhandling word of the vthread's image, so pthread_setcancelstate,
 * pthread_testcancel and libc's own cancellation points work on it unchanged. */
#pragma once
#include "runtime/sched/vthread.h"

VTHR_BEGIN_DECLS
/* Requests cancellation of v.  0. */
int cancel_request(struct vthread *v);
/* On the calling vthread, outside the runtime: acts on a pending request.  Does not return then. */
void cancel_act(struct vthread *v);
bool cancel_pending(struct vthread *v);
/* A deferred cancellation point. */
static inline void cancel_point(struct vthread *v)
{
    if (unlikely(cancel_pending(v)))
        cancel_act(v);
}
/* The scope of the native API that the thread is in was cancelled: waits return -ECANCELED, those that begin as well as those in
 * progress.  A call asks when it has nothing else to report any more. */
static inline bool cancel_stopped(const struct vthread *v)
{
    return __builtin_expect(__atomic_load_n(&v->stopped, __ATOMIC_RELAXED), 0);
}
/* Any thread; v stays.  The state is the native API's to keep (api/cancel.c). */
void cancel_stop(struct vthread *v);

/* Acts only if the type is asynchronous. */
void cancel_async_point(struct vthread *v);

/* For a call that is no cancellation point, though what it is made of is one: requests are held back from hold to release.
 * With the asynchronous type they are not: then any place is one. */
bool cancel_hold(struct vthread *v);
void cancel_release(struct vthread *v, bool held);
VTHR_END_DECLS
