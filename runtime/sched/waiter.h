/* Prepare, park, wake: the three verbs under everything that blocks.
 *
 * A waiter is one thread's ability to wait.  Its word is {ticket:61, state:3}; each wait (an episode) has a new
 * ticket, so a late waker of an earlier episode changes nothing.
 *
 *   waiter: ticket = waiter_prepare(w, what)    RUNNING -> PARKING; what: see wait_on
 *           publish (w, ticket) where wakers look: a parking lot bucket, a descriptor, a timer; the lock taken for that
 *           is the fence between PARKING and waiter_park's look at `attention` (where there is none: waiter_prepare_alone)
 *           reason = waiter_park(w, deadline)   gives up the carrier; PARKING -> PARKED is done by whoever runs next
 *           take itself off every place that still has it
 *   waker:  waiter_wake(w, ticket, reason)      PARKING or PARKED -> reason, by one CAS: exactly one waker wins.
 *           The winner of a PARKED waiter makes the vthread ready; a PARKING one never stops.
 *
 * A vthread's waiter is part of its descriptor, which is never unmapped, so waking needs no lock.  A native
 * thread's waiter is on its stack: wakers reach it only under the lock of the place where it is published. */
#pragma once
#include "runtime/base/atomic.h"
#include "runtime/base/compiler.h"
#include "runtime/base/sys.h"

struct vthread;

/* What ends a wait (cancellable) when the native API's scope around the thread is cancelled (stopped). */
enum {
    STOP_POINT = 1, /* it is a cancellation point: ended by pthread_cancel, too */
    STOP_WAIT = 2,  /* it is none */
    STOP_LOCK = 4,  /* a lock, whose callers mostly do not look at the result: only in scopes that ask for it */
    STOP_ALL = 7,
};

enum wake_reason {
    W_RUNNING = 0,
    W_PARKING = 1,
    W_PARKED = 2,
    W_WOKEN = 3,   /* the event came */
    W_TIMEOUT = 4, /* the deadline came first */
    W_INTR = 5,    /* a signal or a cancellation */
    W_CLOSED = 6,  /* what was waited for is gone (descriptor closed) */
    W_GIVEN = 7,   /* the waker completed the operation itself: see waiter_claim */
    W_MASK = 7
};

/* What waits are for, as debuggers show it.  Numbers are part of the debug interface: new ones go to the end, and get a row in
 * diag/debug.c that says what `obj` is. */
enum wait_kind {
    WAIT_NONE,
    WAIT_MUTEX,
    WAIT_COND,
    WAIT_SEM,
    WAIT_RDLOCK,
    WAIT_WRLOCK,
    WAIT_BARRIER,
    WAIT_ONCE,
    WAIT_FUTEX,
    WAIT_JOIN,
    WAIT_READ,
    WAIT_WRITE,
    WAIT_ACCEPT, /* for its turn to accept */
    WAIT_POLL,
    WAIT_EPOLL,
    WAIT_SLEEP,
    WAIT_SIGNAL,
    WAIT_CLOSE, /* SO_LINGER */
    WAIT_SCOPE,
    WAIT_TASK,
    WAIT_CALL, /* not parked: in an announced blocking call */
    WAIT_PLACE, /* in a scope with a limit */
    WAIT_TOKEN,
    WAIT_SEND,
    WAIT_RECEIVE,
    WAIT_SELECT,
    WAIT_EVENT,
    WAIT_STREAM, /* for a lock inside libc */
    WAIT_LOCKED, /* native API: for a mutex */
    WAIT_CONDITION,
    WAIT_KINDS
};

/* What an episode is for.  Nothing in the library looks at it. */
struct wait_on {
    const void *obj;
    uint32_t kind; /* enum wait_kind */
    uint32_t n;    /* of objects at obj, where the kind has many */
};
static inline struct wait_on wait_on(enum wait_kind kind, const void *obj)
{
    struct wait_on what = { obj, kind, 1 };

    return what;
}
static inline struct wait_on wait_on_many(enum wait_kind kind, const void *obj, uint32_t n)
{
    struct wait_on what = { obj, kind, n };

    return what;
}

struct waiter {
    uint64_t word;
    struct vthread *vt;   /* NULL: a native thread, which sleeps on the word's low half */
    struct wait_on what; /* of this episode, or of the announced call in progress */
    uint64_t since;       /* ns of CLOCK_MONOTONIC: its beginning, see proc.now */
};

VTHR_BEGIN_DECLS
static inline uint64_t waiter_prepare(struct waiter *w, struct wait_on what)
{
    uint64_t ticket = (w->word >> 3) + 1;

    w->what = what;
    store_release(&w->word, ticket << 3 | W_PARKING);
    return ticket;
}
/* As waiter_prepare, for a wait that is published nowhere: only a signal or the deadline ends it. */
static inline uint64_t waiter_prepare_alone(struct waiter *w, struct wait_on what)
{
    uint64_t ticket = waiter_prepare(w, what);

    fence_seq_cst();
    return ticket;
}
/* Blocks until woken or deadline (CLOCK_MONOTONIC ns, NO_DEADLINE).  Returns the reason. */
enum wake_reason waiter_park(struct waiter *w, uint64_t deadline);
/* True when this call ended the episode.  May be called by any thread of the runtime or native. */
bool waiter_wake(struct waiter *w, uint64_t ticket, enum wake_reason reason);
/* As waiter_wake, but a batch of events goes to the tail of the run queue in order, not to the fast slot. */
bool waiter_wake_batch(struct waiter *w, uint64_t ticket, enum wake_reason reason);

/* waiter_wake in two halves, for a waker with something to do in between that nobody else may have done: it claims the episode,
 * hands over, says so where the waiter looks (a waiter that was still PARKING runs on at the claim and waits for it), and
 * lets it go. */
struct waiter_claim {
    struct waiter *w;
    struct vthread *vt;
    bool parked;
};
bool waiter_claim(struct waiter *w, uint64_t ticket, struct waiter_claim *c);
void waiter_go(const struct waiter_claim *c);

VTHR_END_DECLS
