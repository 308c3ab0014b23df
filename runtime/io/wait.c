/* See wait.h.
 *
 * A writer to a full Unix socket also looks by itself, at growing intervals: when the peer shuts its reading side down, the kernel
 * ends a blocked write (EPIPE), but the socket becomes neither writable nor broken in the eyes of poll and epoll. */
#include "runtime/io/wait.h"
#include "runtime/thread/cancel.h"
#include "runtime/thread/signal.h"
#include <errno.h>

#define LOOK_FIRST 10000000ull
#define LOOK_MAX 160000000ull

static long park(struct vthread *v, struct io_wait *w)
{
    uint64_t look_at = w->look ? now_ns() + w->look : NO_DEADLINE;
    bool looks = look_at < w->deadline;
    uint8_t ends = w->restartable ? SIG_RAN_PLAIN : SIG_RAN_ANY;
    enum wake_reason r;

    rt_enter(v);
    v->cancellable = STOP_POINT;
    v->intr = ends;
    r = fd_wait(w->d, w->dir, w->gen, looks ? look_at : w->deadline);
    v->intr = 0;
    v->cancellable = 0;
    rt_leave(v);
    switch (r) {
    case W_TIMEOUT:
        if (!looks)
            return -EAGAIN;
        w->look = w->look * 2 < LOOK_MAX ? w->look * 2 : LOOK_MAX;
        return 0;
    case W_CLOSED:
        return -EBADF;
    case W_INTR:
        cancel_point(v);
        return v->sig_ran & ends ? -EINTR : cancel_stopped(v) ? -ECANCELED : 0;
    default:
        return 0;
    }
}

static void ask(struct io_wait *w)
{
    uint64_t t;

    fd_learn_kind(w->d);
    t = fd_timeout(w->d, w->dir);
    w->deadline = t ? now_ns() + t : NO_DEADLINE;
    w->restartable = t == 0;
    w->look = w->dir == FD_WRITE && (w->d->kind == FD_STREAM || w->d->kind == FD_SOCKET) && fd_is_local(w->d) ? LOOK_FIRST : 0;
    w->asked = true;
}

/* In non-blocking mode, or gone since the attempt: then the kernel had no mode to tell. */
static long not_blocking(struct io_wait *w)
{
    uint32_t gen = fd_gen(w->d), began = w->gen;

    if (likely(gen == began && !(gen & 1)))
        return -EAGAIN;
    w->gen = gen;
    return began & 1 ? 0 : -EBADF;
}

long io_wait_more(struct vthread *v, struct io_wait *w)
{
    long r;

    if (!w->asked) {
        if (!fd_is_blocking(w->d))
            return not_blocking(w);
        ask(w);
    }
    r = park(v, w);
    if (unlikely(w->gen & 1))
        w->gen = fd_gen(w->d);
    return r;
}

long io_wait_first(struct vthread *v, struct io_wait *w)
{
    struct fd_side *s = &w->d->side[w->dir];
    bool guess = s->misses >= 2 && s->guesses < MAX_GUESSES;

    if (!(s->drained || guess) || !s->armed || !fd_blocks(w->d) || fd_timeout(w->d, w->dir))
        return 0;
    if (!s->drained)
        s->guesses++;
    s->drained = false; /* once: whatever woke us, the next attempt is real */
    w->deadline = NO_DEADLINE;
    w->restartable = true;
    w->asked = true;
    return park(v, w);
}
