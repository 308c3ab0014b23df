/* Waiting for a descriptor on behalf of a call that returned EAGAIN. */
#pragma once
#include "runtime/io/mode.h"
#include "runtime/sched/sched.h"

VTHR_BEGIN_DECLS
/* The state of one blocking call. */
struct io_wait {
    struct fdesc *d;
    uint32_t gen; /* of the file that the call began with: the call is for no other */
    enum fd_dir dir;
    bool asked;        /* mode and timeout are known */
    bool restartable;  /* by SA_RESTART: not with a timeout set (signal(7)) */
    uint64_t deadline;
    uint64_t look;     /* ns after which to try again without an event; 0: never */
};

/* At the beginning of the call: from here on a handler ends it, unless it is to be restarted. */
static inline void io_wait_init(struct vthread *v, struct io_wait *w, struct fdesc *d, enum fd_dir dir)
{
    v->sig_ran = 0;
    w->d = d;
    w->gen = fd_gen(d);
    w->dir = dir;
    w->asked = false;
    w->look = 0;
}
/* After EAGAIN.  0: try again.  -EAGAIN: the descriptor is in non-blocking mode, or its timeout ran out.  -EINTR, -EBADF, -ECANCELED. */
long io_wait_more(struct vthread *v, struct io_wait *w);
/* Before the first attempt, where it is expected to find nothing and the mode is blocking: saves the attempt.  Expected: after a read that took all there was, or where earlier calls had to wait (a message at a time
 * goes to and fro); of these one in MAX_GUESSES + 1 does attempt.  0: go on. */
#define MAX_GUESSES 4
long io_wait_first(struct vthread *v, struct io_wait *w);
/* What the attempt found that came first; nothing to say if it did not. */
static inline void io_wait_found(struct io_wait *w, bool something)
{
    struct fd_side *s = &w->d->side[w->dir];

    if (w->asked)
        return;
    s->guesses = 0;
    if (something)
        s->misses = 0;
    else if (s->misses < 2)
        s->misses++;
}
VTHR_END_DECLS
