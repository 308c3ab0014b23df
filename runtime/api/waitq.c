/* See waitq.h.
 *
 * A native thread (threads are not virtual here, or libc made this one) is found by a cancellation through its strand: it
 * publishes its waiter there while it waits, under the lock of its innermost scope. */
#include "runtime/api/waitq.h"
#include "runtime/api/scope.h"
#include "runtime/thread/cancel.h"
#include <errno.h>

struct wait_node *wait_take_past(struct list *q, const struct waiter *own)
{
    struct list *it, *tmp;

    list_for_each_safe (it, tmp, q) {
        struct wait_node *n = container_of(it, struct wait_node, link);

        if (n->w == own)
            continue;
        list_del(it);
        n->linked = false;
        if (waiter_claim(n->w, n->ticket, &n->claim))
            return n;
    }
    return NULL;
}

void wait_take_all(struct list *q, struct list *taken)
{
    struct wait_node *n;

    list_init(taken);
    while ((n = wait_take(q)))
        list_add_tail(taken, &n->link);
}

void wait_give_all(struct list *taken, uint32_t how)
{
    struct list *it, *tmp;

    list_for_each_safe (it, tmp, taken)
        wait_give(container_of(it, struct wait_node, link), how);
}

static enum wake_reason reason_of(struct waiter *w)
{
    return (enum wake_reason)(load_acquire(&w->word) & W_MASK);
}

static bool publish(struct strand *me, struct waiter *w, uint64_t ticket)
{
    bool stop;

    lock(&me->inner->lk);
    stop = me->inner->stop;
    if (!stop) {
        me->native = w;
        me->native_ticket = ticket;
    }
    unlock(&me->inner->lk);
    return !stop;
}
static void unpublish(struct strand *me)
{
    lock(&me->inner->lk);
    me->native = NULL;
    unlock(&me->inner->lk);
}

static enum wake_reason park_native(struct waiter *w, uint64_t ticket, uint64_t deadline)
{
    struct strand *me = vthr_strand;
    uint64_t end;
    enum wake_reason r;

    if (!me || !me->inner)
        return waiter_park(w, deadline);
    if (!publish(me, w, ticket)) {
        waiter_wake(w, ticket, W_INTR);
        return reason_of(w);
    }
    end = scope_deadline_of(me->inner);
    r = waiter_park(w, end < deadline ? end : deadline);
    unpublish(me);
    if (r == W_TIMEOUT && end < deadline) {
        scope_expire_due(me->inner); /* no carrier runs timers for native threads */
        r = W_INTR;
    }
    return r;
}

enum wake_reason wait_park(struct waiter *w, uint64_t ticket, uint64_t deadline)
{
    struct vthread *v = w->vt;
    enum wake_reason r;

    if (!v)
        return park_native(w, ticket, deadline);
    v->cancellable = 1;
    r = waiter_park(w, deadline);
    v->cancellable = 0;
    return r;
}

uint32_t wait_given(struct wait_node *n)
{
    uint32_t how;

    while (!(how = load_acquire(&n->given)))
        arch_cpu_relax();
    return how;
}

int wait_interrupted(struct vthread *v)
{
    struct strand *me = vthr_strand;

    if (v) {
        cancel_point(v);
        return cancel_stopped(v) ? ECANCELED : EINTR;
    }
    return me && me->inner && load_acquire(&me->inner->stop) ? ECANCELED : EINTR;
}

/* Queued: parks, and is off the queue when it returns, and out of the runtime. */
static enum wake_reason park_queued(struct vthr_lock *lk, struct wait_node *n, uint64_t deadline, bool firm)
{
    enum wake_reason r = firm ? waiter_park(n->w, deadline) : wait_park(n->w, n->ticket, deadline);

    if (r == W_GIVEN) {
        wait_given(n);
        return r;
    }
    lock(lk);
    if (n->linked)
        list_del(&n->link);
    unlock(lk);
    return r;
}

static void queue(struct list *q, struct wait_node *n, struct waiter *w, struct wait_on what)
{
    n->w = w;
    n->given = 0;
    n->linked = true;
    n->ticket = waiter_prepare(w, what);
    list_add_tail(q, &n->link);
}

int waitq_wait_giving(struct vthread *v, struct vthr_lock *lk, struct list *q, struct wait_node *n, uint64_t deadline,
                      struct wait_on what, struct wait_node *partner)
{
    struct waiter native = { .vt = NULL };
    enum wake_reason r;

    if (v)
        rt_enter(v);
    queue(q, n, v ? &v->w : &native, what);
    unlock(lk);
    if (partner)
        wait_give(partner, GIVEN_DONE);
    r = park_queued(lk, n, deadline, false);
    if (v)
        rt_leave(v);
    return r == W_GIVEN ? 0 : r == W_TIMEOUT ? ETIMEDOUT : wait_interrupted(v);
}

int waitq_wait(struct vthread *v, struct vthr_lock *lk, struct list *q, struct wait_node *n, uint64_t deadline, struct wait_on what)
{
    return waitq_wait_giving(v, lk, q, n, deadline, what, NULL);
}

bool waitq_wait_firm(struct vthread *v, struct vthr_lock *lk, struct list *q, struct wait_node *n, struct wait_on what)
{
    struct waiter native = { .vt = NULL };
    bool given;

    if (v)
        rt_enter(v);
    queue(q, n, v ? &v->w : &native, what);
    unlock(lk);
    given = park_queued(lk, n, NO_DEADLINE, true) == W_GIVEN;
    if (v)
        rt_leave(v);
    return given;
}
