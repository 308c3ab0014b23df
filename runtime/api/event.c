/* Events and once. */
#include "runtime/api/event.h"
#include "runtime/api/scope.h"
#include "runtime/sched/lot.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

VTHR_EXPORT int vthr_event_new(struct vthr_event **event)
{
    struct vthr_event *e = calloc(1, sizeof *e);

    if (!e)
        return ENOMEM;
    lock_init(&e->lk, RANK_OBJECT);
    list_init(&e->waiters);
    e->kind = OBJECT_EVENT;
    *event = e;
    return 0;
}

VTHR_EXPORT void vthr_event_free(struct vthr_event *e)
{
    struct vthread *v;
    bool used;

    if (!e)
        return;
    event_check(e);
    v = api_hold();
    lock(&e->lk); /* who set it is done with it then */
    used = !list_empty(&e->waiters);
    unlock(&e->lk);
    api_unhold(v);
    if (used)
        api_misuse("an event is freed while somebody waits for it", e);
    object_free(e, &e->kind);
}

VTHR_EXPORT void vthr_event_set(struct vthr_event *e)
{
    struct vthread *v = wake_enter();
    struct list waiters;

    event_check(e);
    lock(&e->lk);
    store_release(&e->set, 1u);
    wait_take_all(&e->waiters, &waiters);
    unlock(&e->lk);
    wait_give_all(&waiters, GIVEN_DONE);
    wake_leave(v);
}

VTHR_EXPORT int vthr_event_wait_until(struct vthr_event *e, uint64_t deadline)
{
    event_check(e);
    for (;;) {
        struct vthread *v = api_hold();
        struct wait_node n;
        int r;

        lock(&e->lk);
        if (e->set || deadline == 0) {
            r = e->set ? 0 : EAGAIN;
            unlock(&e->lk);
            api_unhold(v);
            return r;
        }
        r = waitq_wait(v, &e->lk, &e->waiters, &n, deadline, wait_on(WAIT_EVENT, e));
        if (r != EINTR)
            return r;
    }
}
VTHR_EXPORT int vthr_event_wait(struct vthr_event *e)
{
    return vthr_event_wait_until(e, NO_DEADLINE);
}
VTHR_EXPORT int vthr_try_event(struct vthr_event *e)
{
    return vthr_event_wait_until(e, 0);
}

/* --- Once: 0 not yet, 1 somebody is at it, 2 the same with others waiting (in the parking lot), 3 done --- */

enum { ONCE_NOT = 0, ONCE_BUSY = 1, ONCE_AWAITED = 2, ONCE_DONE = 3 };

struct attempt {
    uint32_t *state;
    uint32_t outcome;
};
/* Also when it is unwound. */
static void end_attempt(struct attempt *a)
{
    if (xchg_acq_rel(a->state, a->outcome) == ONCE_AWAITED)
        lot_wake(a->state, INT_MAX);
}

static int attempt(uint32_t *state, int (*fn)(void *), void *arg)
{
    __attribute__((cleanup(end_attempt))) struct attempt a = { state, ONCE_NOT };
    int r = fn(arg);

    if (r == 0)
        a.outcome = ONCE_DONE;
    return r;
}

VTHR_EXPORT int vthr_do_once(vthr_once *once, int (*fn)(void *), void *arg)
{
    uint32_t *state = &once->state;

    for (;;) {
        uint32_t s = load_acquire(state);

        if (s == ONCE_DONE)
            return 0;
        if (s == ONCE_NOT) {
            if (cas_acq_rel(state, &s, ONCE_BUSY))
                return attempt(state, fn, arg);
            continue;
        }
        if (s == ONCE_BUSY && !cas_acq_rel(state, &s, ONCE_AWAITED))
            continue;
        if (lot_wait_ends(state, ONCE_AWAITED, NO_DEADLINE, ~0u, LOT_CANCEL, wait_on(WAIT_ONCE, once)) == -EINTR && wait_interrupted(vthr_parkable()) == ECANCELED)
            return ECANCELED;
    }
}
