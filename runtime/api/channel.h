/* Channels, as channel.c and select.c see them. */
#pragma once
#include "runtime/api/object.h"
#include "runtime/api/waitq.h"

struct vthr_channel {
    struct vthr_lock lk;
    uint32_t closed;
    uint32_t size;           /* of an element */
    uint32_t cap, head, n;   /* the ring: n elements from head on */
    uint32_t kind;           /* OBJECT_CHANNEL */
    struct list senders;     /* wait for room: the ring is full */
    struct list receivers;   /* wait for an element: the ring is empty, and nobody sends */
    char ring[] VTHR_ALIGNED(16);
};

/* An attempt; channel locked.  0, EAGAIN or EPIPE.  *partner: to be given GIVEN_DONE after unlocking, or NULL.
 * skip: a waiter that is the caller's own, whose nodes are passed over, or NULL. */
int channel_send_now(struct vthr_channel *c, const void *from, struct waiter *skip, struct wait_node **partner);
int channel_receive_now(struct vthr_channel *c, void *to, struct waiter *skip, struct wait_node **partner);
static inline void channel_check(const struct vthr_channel *c)
{
    object_check(c, &c->kind, OBJECT_CHANNEL);
}
