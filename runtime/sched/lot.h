/* The parking lot: address -> queue of waiters, a futex at user level.  It serves mutexes, condition variables, semaphores,
 * joins and the program's own private futexes.  Waiters are vthreads or native threads.
 *
 * A queue is FIFO.  A waiter is taken off by its waker, under the bucket's lock, or takes itself off. */
#pragma once
#include "runtime/base/list.h"
#include "runtime/base/lock.h"
#include "runtime/sched/waiter.h"

struct lot_node {
    struct list link;
    const void *addr;
    struct waiter *w;
    uint64_t ticket;
    uint32_t bits;  /* FUTEX_WAIT_BITSET's mask */
    bool linked;    /* protected by the bucket's lock */
    bool hungry;    /* a lock's waiter that is to be given it */
    bool granted;   /* it was; set before the wake */
};

VTHR_BEGIN_DECLS
/* Parks while *addr == val.  deadline: CLOCK_MONOTONIC ns.  0: woken; -EAGAIN: *addr != val; -ETIMEDOUT; -EINTR.
 * Any thread; on a vthread outside the runtime it enters and leaves by itself. */
int lot_wait(const uint32_t *addr, uint32_t val, uint64_t deadline, struct wait_on what);
int lot_wait_bits(const uint32_t *addr, uint32_t val, uint64_t deadline, uint32_t bits, struct wait_on what);
/* The same; ends: what else ends it than a wake, SIG_RAN_* (handlers that ran since the call began) and LOT_ENDS(STOP_*). */
#define LOT_ENDS(stops) ((stops) << 2)
#define LOT_CANCEL LOT_ENDS((unsigned)STOP_POINT)
int lot_wait_ends(const uint32_t *addr, uint32_t val, uint64_t deadline, uint32_t bits, unsigned ends, struct wait_on what);
/* Wakes up to n waiters; returns how many. */
int lot_wake(const void *addr, int n);
/* A lock word: 0 free, other values held, 2 held with waiters.  Parks while it is 2; as lot_wait.  hungry: this waiter has been woken
 * before and came too late each time: it waits at the front, and *granted says whether it was given the lock. */
int lot_wait_lock(uint32_t *word, uint64_t deadline, unsigned ends, bool hungry, bool *granted, struct wait_on what);
/* After the word went from 2 to 0: wakes the first waiter, or gives it the lock. */
void lot_wake_lock(uint32_t *word);
int lot_wake_bits(const void *addr, int n, uint32_t bits);
/* Wakes up to n waiters of `from`, moves up to m of the others to `to`.  Returns woken + moved; *woken if not NULL.
 * check: fails with -EAGAIN unless *from == *check, under the lock. */
int lot_requeue(const uint32_t *from, int n, const void *to, int m, const uint32_t *check, int *woken);

/* For primitives that decide under the bucket's lock whether to wait. */
struct lot_bucket;
struct lot_bucket *lot_lock(const void *addr);
void lot_unlock(struct lot_bucket *b);
/* Bucket locked: queue w (whose episode is `ticket`). */
void lot_queue(struct lot_bucket *b, struct lot_node *n, const void *addr, struct waiter *w, uint64_t ticket);
/* Bucket locked: wakes up to n waiters of addr. */
int lot_wake_locked(struct lot_bucket *b, const void *addr, int n, uint32_t bits);
/* The same; *count is decremented for each node taken off. */
int lot_wake_counted(struct lot_bucket *b, const void *addr, int n, uint32_t *count);
/* Parks and takes the node off again.  0, -ETIMEDOUT or -EINTR. */
int lot_park(struct lot_node *n, uint64_t deadline, unsigned ends);
/* After -EINTR, outside the runtime: the calling thread's scope is cancelled, and that was to end it. */
bool lot_stopped(unsigned ends);
bool lot_may_be_stopped(const struct vthread *v, unsigned ends);
/* As lot_park; true in *left when the node was still queued, decided under the lock, after calling undo(arg) there. */
int lot_park_undo(struct lot_node *n, uint64_t deadline, void (*undo)(void *), void *arg);

/* For waits that handlers of signals must not end: true when interrupted with the node still queued... */
bool lot_park_stay(struct lot_node *n, unsigned ends);
/* ...then, after the handlers ran: a new episode in the same place.  False: woken meanwhile. */
bool lot_resume(struct lot_node *n, struct waiter *w, struct wait_on what);
/* ...or off it, calling undo(arg) under the lock.  False: woken meanwhile. */
bool lot_withdraw(struct lot_node *n, void (*undo)(void *), void *arg);

void lot_reset_child(void);
VTHR_END_DECLS
