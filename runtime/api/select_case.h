/* One case of a select on an object: how to try it, and where to wait for it.  By kind, inline: there are eight at a time. */
#pragma once
#include "runtime/api/channel.h"
#include "runtime/api/event.h"
#include "runtime/api/scope.h"
#include "runtime/api/tokens.h"
#include <errno.h>

static inline bool case_is_object(const vthr_case *c)
{
    return (c->kind >= VTHR_CASE_SEND && c->kind <= VTHR_CASE_EVENT) || c->kind == VTHR_CASE_ACQUIRE;
}
static inline bool case_is_fd(const vthr_case *c)
{
    return c->kind == VTHR_CASE_READABLE || c->kind == VTHR_CASE_WRITABLE;
}

static inline void case_check(const vthr_case *c)
{
    switch (c->kind) {
    case VTHR_CASE_SEND:
    case VTHR_CASE_RECEIVE:
        channel_check(c->object);
        break;
    case VTHR_CASE_JOIN:
        task_check(c->object);
        break;
    case VTHR_CASE_EVENT:
        event_check(c->object);
        break;
    case VTHR_CASE_ACQUIRE:
        semaphore_check(c->object);
        break;
    }
}

static inline struct vthr_lock *case_lock(const vthr_case *c)
{
    switch (c->kind) {
    case VTHR_CASE_SEND:
    case VTHR_CASE_RECEIVE:
        return &((struct vthr_channel *)c->object)->lk;
    case VTHR_CASE_JOIN:
        return &((struct vthr_task *)c->object)->lk;
    case VTHR_CASE_EVENT:
        return &((struct vthr_event *)c->object)->lk;
    default:
        return &((struct vthr_semaphore *)c->object)->lk;
    }
}

static inline struct list *case_queue(const vthr_case *c)
{
    switch (c->kind) {
    case VTHR_CASE_SEND:
        return &((struct vthr_channel *)c->object)->senders;
    case VTHR_CASE_RECEIVE:
        return &((struct vthr_channel *)c->object)->receivers;
    case VTHR_CASE_JOIN:
        return &((struct vthr_task *)c->object)->waiters;
    case VTHR_CASE_EVENT:
        return &((struct vthr_event *)c->object)->waiters;
    default:
        return &((struct vthr_semaphore *)c->object)->waiters;
    }
}

/* Somebody waits in q with another waiter than this one. */
static inline bool case_has_other(const struct list *q, const struct waiter *own)
{
    struct list *it;

    if (!own)
        return !list_empty(q);
    list_for_each (it, q)
        if (container_of(it, struct wait_node, link)->w != own)
            return true;
    return false;
}

/* Locked. */
static inline bool case_can_do(const vthr_case *c, const struct waiter *own)
{
    const struct vthr_channel *ch = c->object;

    switch (c->kind) {
    case VTHR_CASE_SEND:
        return ch->closed || ch->n < ch->cap || case_has_other(&ch->receivers, own);
    case VTHR_CASE_RECEIVE:
        return ch->closed || ch->n || case_has_other(&ch->senders, own);
    case VTHR_CASE_JOIN:
        return ((struct vthr_task *)c->object)->done;
    case VTHR_CASE_EVENT:
        return ((struct vthr_event *)c->object)->set;
    default:
        return ((struct vthr_semaphore *)c->object)->free || !semaphore_may_take();
    }
}

/* Not locked: false when it surely could not a moment ago. */
static inline bool case_may_do(const vthr_case *c)
{
    const struct vthr_channel *ch = c->object;

    switch (c->kind) {
    case VTHR_CASE_SEND:
        return load_relaxed(&ch->closed) || load_relaxed(&ch->n) < ch->cap || load_relaxed(&ch->receivers.next) != &ch->receivers;
    case VTHR_CASE_RECEIVE:
        return load_relaxed(&ch->closed) || load_relaxed(&ch->n) || load_relaxed(&ch->senders.next) != &ch->senders;
    case VTHR_CASE_JOIN:
        return load_acquire(&((struct vthr_task *)c->object)->done);
    case VTHR_CASE_EVENT:
        return load_acquire(&((struct vthr_event *)c->object)->set);
    default:
        return load_relaxed(&((struct vthr_semaphore *)c->object)->free) || !semaphore_may_take();
    }
}

static inline bool case_take(vthr_case *c, struct vthr_semaphore *s)
{
    c->result = semaphore_may_take() ? 0 : EPERM;
    if (c->result == 0 && s->free == 0)
        return false;
    s->free -= c->result == 0;
    return true;
}

/* Locked, and case_can_do said yes; false: a partner was gone meanwhile.  Done, c->result says how. */
static inline bool case_do(vthr_case *c, struct waiter *own, struct wait_node **partner)
{
    *partner = NULL;
    switch (c->kind) {
    case VTHR_CASE_SEND:
        return (c->result = channel_send_now(c->object, c->variable, own, partner)) != EAGAIN;
    case VTHR_CASE_RECEIVE:
        return (c->result = channel_receive_now(c->object, c->variable, own, partner)) != EAGAIN;
    case VTHR_CASE_JOIN:
        c->result = task_take_result(c->object, c->variable);
        return true;
    case VTHR_CASE_EVENT:
        c->result = 0;
        return true;
    default:
        return case_take(c, c->object);
    }
}

/* It was done by a partner, who said so: GIVEN_*. */
static inline void case_given(vthr_case *c, uint32_t how)
{
    struct vthr_task *t = c->object;

    c->result = how == GIVEN_CLOSED ? EPIPE : 0;
    if (c->kind == VTHR_CASE_JOIN) {
        lock(&t->lk);
        c->result = task_take_result(t, c->variable);
        unlock(&t->lk);
    }
}

/* After either, outside of the runtime. */
static inline void case_settle(vthr_case *c)
{
    if (c->kind == VTHR_CASE_JOIN)
        task_tell_result(c->object, c->result);
    else if (c->kind == VTHR_CASE_ACQUIRE && c->result == 0)
        c->result = semaphore_took(c->object);
}
