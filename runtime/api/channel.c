/* Channels.
 *
 * A ring of `cap` elements, and two queues of those who wait, of which one is empty: receivers wait when the ring is empty, senders when
 * it is full (with cap 0 it is both).  An element goes from a sender to a waiting receiver directly, into its variable; a
 * receiver that makes room takes the first waiting sender's element into the ring for it.  So elements keep their order,
 * whoever waits longest is served first, and who was served does not look at the channel again: it may be freed by then.
 *
 * Closing: senders that wait fail, their elements stay theirs; receivers that wait fail, as there is nothing for them.  What is in the
 * ring can still be received. */
#include "runtime/api/channel.h"
#include "runtime/api/scope.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- Attempts --- */

static inline void copy(void *to, const void *from, uint32_t size)
{
    if (size == sizeof(uint64_t))
        memcpy(to, from, sizeof(uint64_t));
    else if (size)
        memcpy(to, from, size);
}
static inline char *slot(struct vthr_channel *c, uint32_t i)
{
    i += c->head;
    if (i >= c->cap)
        i -= c->cap;
    return c->ring + (size_t)i * c->size;
}

int channel_send_now(struct vthr_channel *c, const void *from, struct waiter *skip, struct wait_node **partner)
{
    *partner = NULL;
    if (unlikely(c->closed))
        return EPIPE;
    if (!list_empty(&c->receivers) && (*partner = wait_take_other(&c->receivers, skip))) {
        copy((*partner)->slot, from, c->size);
        return 0;
    }
    if (c->n == c->cap)
        return EAGAIN;
    copy(slot(c, c->n), from, c->size);
    c->n++;
    return 0;
}

int channel_receive_now(struct vthr_channel *c, void *to, struct waiter *skip, struct wait_node **partner)
{
    *partner = NULL;
    if (c->n) {
        copy(to, slot(c, 0), c->size);
        c->head = c->head + 1 == c->cap ? 0 : c->head + 1;
        c->n--;
        if (!list_empty(&c->senders) && (*partner = wait_take_other(&c->senders, skip)))
            copy(slot(c, c->n++), (*partner)->slot, c->size);
        return 0;
    }
    if (!list_empty(&c->senders) && (*partner = wait_take_other(&c->senders, skip))) {
        copy(to, (*partner)->slot, c->size);
        return 0;
    }
    return c->closed ? EPIPE : EAGAIN;
}

/* --- Sending and receiving --- */

typedef int attempt(struct vthr_channel *c, void *element, struct wait_node **partner);

static inline int send_attempt(struct vthr_channel *c, void *element, struct wait_node **partner)
{
    return channel_send_now(c, element, NULL, partner);
}
static inline int receive_attempt(struct vthr_channel *c, void *element, struct wait_node **partner)
{
    return channel_receive_now(c, element, NULL, partner);
}

static int finish(struct vthread *v, struct vthr_channel *c, struct wait_node *partner, int r)
{
    unlock(&c->lk);
    if (partner)
        wait_give_unhold(v, partner, GIVEN_DONE);
    else
        api_unhold(v);
    return r;
}

/* Queued, parked: what came of it; EINTR: try again. */
static int wait_for_partner(struct vthread *v, struct vthr_channel *c, struct list *q, void *element, uint64_t deadline)
{
    struct wait_node n;
    int r;

    n.slot = element;
    r = waitq_wait(v, &c->lk, q, &n, deadline, wait_on(q == &c->senders ? WAIT_SEND : WAIT_RECEIVE, c));
    return r ? r : n.given == GIVEN_CLOSED ? EPIPE : 0;
}

/* Tries, and waits in q when it has to. */
static inline __attribute__((always_inline)) int pass(struct vthr_channel *c, struct list *q, void *element, uint64_t deadline,
                                                      attempt *try_now)
{
    int r;

    channel_check(c);
    do {
        struct vthread *v = api_hold();
        struct wait_node *partner;

        lock(&c->lk);
        r = try_now(c, element, &partner);
        if (r != EAGAIN || deadline == 0)
            return finish(v, c, partner, r);
        r = wait_for_partner(v, c, q, element, deadline);
    } while (r == EINTR);
    return r;
}

VTHR_EXPORT int vthr_send_until(struct vthr_channel *c, const void *element, uint64_t deadline)
{
    return pass(c, &c->senders, (void *)(uintptr_t)element, deadline, send_attempt);
}

VTHR_EXPORT int vthr_receive_until(struct vthr_channel *c, void *element, uint64_t deadline)
{
    return pass(c, &c->receivers, element, deadline, receive_attempt);
}

VTHR_EXPORT int vthr_send(struct vthr_channel *c, const void *element)
{
    return vthr_send_until(c, element, NO_DEADLINE);
}
VTHR_EXPORT int vthr_try_send(struct vthr_channel *c, const void *element)
{
    return vthr_send_until(c, element, 0);
}
VTHR_EXPORT int vthr_receive(struct vthr_channel *c, void *element)
{
    return vthr_receive_until(c, element, NO_DEADLINE);
}
VTHR_EXPORT int vthr_try_receive(struct vthr_channel *c, void *element)
{
    return vthr_receive_until(c, element, 0);
}

/* --- Life --- */

VTHR_EXPORT int vthr_channel_new(struct vthr_channel **channel, size_t size, size_t capacity)
{
    struct vthr_channel *c;

    if (size >= UINT32_MAX || capacity >= UINT32_MAX / 2 || (size && capacity > (SIZE_MAX / 2) / size))
        return EINVAL;
    c = malloc(sizeof *c + size * capacity);
    if (!c)
        return ENOMEM;
    lock_init(&c->lk, RANK_OBJECT);
    c->kind = OBJECT_CHANNEL;
    c->closed = c->head = c->n = 0;
    c->size = (uint32_t)size;
    c->cap = (uint32_t)capacity;
    list_init(&c->senders);
    list_init(&c->receivers);
    *channel = c;
    return 0;
}

VTHR_EXPORT int vthr_channel_close(struct vthr_channel *c)
{
    struct vthread *v = wake_enter();
    struct list senders, receivers;
    int r = 0;

    channel_check(c);
    lock(&c->lk);
    if (c->closed)
        r = EALREADY;
    c->closed = 1;
    wait_take_all(&c->senders, &senders);
    wait_take_all(&c->receivers, &receivers);
    unlock(&c->lk);
    wait_give_all(&senders, GIVEN_CLOSED);
    wait_give_all(&receivers, GIVEN_CLOSED);
    wake_leave(v);
    return r;
}

VTHR_EXPORT size_t vthr_channel_length(struct vthr_channel *c)
{
    struct vthread *v = api_hold();
    size_t n;

    channel_check(c);
    lock(&c->lk);
    n = c->n;
    unlock(&c->lk);
    api_unhold(v);
    return n;
}

VTHR_EXPORT void vthr_channel_free(struct vthr_channel *c)
{
    struct vthread *v;
    bool used;

    if (!c)
        return;
    channel_check(c);
    v = api_hold();
    lock(&c->lk); /* who is about to leave it has left it then */
    used = !list_empty(&c->senders) || !list_empty(&c->receivers);
    unlock(&c->lk);
    api_unhold(v);
    if (used)
        api_misuse("a channel is freed while somebody waits in it", c);
    object_free(c, &c->kind);
}
