/* Waiting for an object of the native API: queues of nodes under the object's lock.
 *
 *   waiter: object locked, it has nothing to give: waitq_wait() queues a node, unlocks, parks, and is off the queue when it returns
 *   giver:  object locked: wait_take() takes a node off whose episode it has claimed; nobody else can end that wait now.  Copies from
 *           or to node->slot.  Unlocks the object: once released the waiter may free it.  wait_give() says how it
 *           ended, and lets the waiter go
 *
 * A wait that is cancelled, interrupted or timed out has been claimed by nobody, so nothing was taken or given.
 * One thread can have nodes on many queues under one episode: a select (select.c). */
#pragma once
#include "runtime/base/atomic.h"
#include "runtime/base/list.h"
#include "runtime/base/lock.h"
#include "runtime/sched/sched.h"

enum { GIVEN_DONE = 1, GIVEN_CLOSED = 2 };

struct wait_node {
    struct list link;
    struct waiter *w;
    uint64_t ticket;
    void *slot;
    struct waiter_claim claim; /* the giver's */
    uint32_t given;            /* GIVEN_*; 0: not yet.  Written once, by the giver */
    bool linked;               /* protected by the object's lock */
};

/* The calling thread on its way through an object: v NULL when it is no vthread that can park. */
static inline struct vthread *api_hold(void)
{
    struct vthread *v = vthr_parkable();

    rt_hold(v);
    return v;
}
static inline void api_unhold(struct vthread *v)
{
    rt_unhold(v);
}

/* A waiter of *q that the caller now has to give to; NULL: none.  Object locked. */
static inline struct wait_node *wait_take(struct list *q)
{
    while (!list_empty(q)) {
        struct wait_node *n = container_of(q->next, struct wait_node, link);

        list_del(&n->link);
        n->linked = false;
        if (waiter_claim(n->w, n->ticket, &n->claim))
            return n;
    }
    return NULL;
}
/* The same, passing over nodes of the caller's own (select.c). */
struct wait_node *wait_take_past(struct list *q, const struct waiter *own);
static inline struct wait_node *wait_take_other(struct list *q, const struct waiter *own)
{
    return own ? wait_take_past(q, own) : wait_take(q);
}
/* In the runtime, or on a native thread; what it was taken from unlocked, or sure to outlive the call. */
static inline void wait_give(struct wait_node *n, uint32_t how)
{
    struct waiter_claim c = n->claim;

    store_release(&n->given, how); /* the node may be gone from here on */
    waiter_go(&c);
}
/* The same by a thread that only holds (api_hold) and ends that. */
static inline void wait_give_unhold(struct vthread *v, struct wait_node *n, uint32_t how)
{
    if (v)
        rt_enter(v);
    wait_give(n, how);
    if (v)
        rt_leave(v);
}
/* All that wait: first claimed, onto *taken, then given to.  Object locked. */
void wait_take_all(struct list *q, struct list *taken);
void wait_give_all(struct list *taken, uint32_t how);

/* Parks v (or the native thread) on one queue.  Called holding, with the object locked; returns neither.
 * 0: given, see n->given.  ETIMEDOUT.  ECANCELED.  EINTR: handlers may have run, try again. */
int waitq_wait(struct vthread *v, struct vthr_lock *lk, struct list *q, struct wait_node *n, uint64_t deadline,
               struct wait_on what);
/* The same; partner: is given GIVEN_DONE once lk is unlocked, or NULL. */
int waitq_wait_giving(struct vthread *v, struct vthr_lock *lk, struct list *q, struct wait_node *n, uint64_t deadline,
                      struct wait_on what, struct wait_node *partner);
/* As waitq_wait, ended neither by a cancellation nor by pthread_cancel.  False: handlers may have run, try again. */
bool waitq_wait_firm(struct vthread *v, struct vthr_lock *lk, struct list *q, struct wait_node *n, struct wait_on what);

/* The pieces, for waits on many objects. */
enum wake_reason wait_park(struct waiter *w, uint64_t ticket, uint64_t deadline);
uint32_t wait_given(struct wait_node *n); /* after W_GIVEN, when it is this one */
/* Outside the runtime, after W_INTR: ECANCELED or EINTR. */
int wait_interrupted(struct vthread *v);
