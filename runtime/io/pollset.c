/* poll, and the wait on a set of descriptors under it, select and epoll_wait.
 *
 * The real call with timeout 0 says what is ready; if nothing is, the vthread queues on every (descriptor, direction) of the set, parks,
 * and asks again.  Sets with events beyond readable and writable (POLLPRI, POLLRDHUP alone, none at all) go through an epoll instance made for
 * this wait, on which the vthread parks: our watchers know two directions only. */
#include "runtime/io/blocking.h"
#include "runtime/io/hidden.h"
#include "runtime/io/pollset.h"
#include "runtime/io/wait.h"
#include "runtime/mem/slab.h"
#include "runtime/sync/deadline.h"
#include "runtime/thread/cancel.h"
#include "runtime/thread/signal.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ON_STACK 16

void mask_begin(struct mask_scope *s, struct vthread *v, const uint64_t *mask)
{
    s->v = v;
    s->set = mask != NULL;
    v->sig_ran = 0;
    if (mask)
        signal_mask(v, SIG_SETMASK, mask, &s->old);
}
void mask_end(struct mask_scope *s)
{
    if (s->set)
        signal_mask(s->v, SIG_SETMASK, &s->old, NULL);
}

int pollset_deadline(const struct timespec *t, uint64_t *out)
{
    *out = NO_DEADLINE;
    if (!t)
        return 0;
    if (bad_address(t))
        return -EFAULT;
    if (!ts_valid(t) || t->tv_sec < 0)
        return -EINVAL;
    *out = t->tv_sec == 0 && t->tv_nsec == 0 ? 0 : deadline_after(t);
    return 0;
}

static bool plain(const struct pollfd *f)
{
    /* Where the peer has shut down, there is something to read: the end. */
    short in = f->events & (POLLIN | POLLRDNORM), out = f->events & (POLLOUT | POLLWRNORM);
    short beyond = f->events & (POLLPRI | POLLRDBAND | POLLWRBAND | (in ? 0 : POLLRDHUP));

    return f->fd < 0 || ((in || out) && !beyond);
}

/* A file may be closed or replaced between our look and the wait: what was looked at is told by its generation (fd_gen). */
void pollset_note(const struct pollfd *fds, nfds_t n, struct fd_node *nodes)
{
    for (nfds_t i = 0; i < n; i++) {
        struct fdesc *d = fds[i].fd >= 0 ? fd_get(fds[i].fd) : NULL;

        nodes[2 * i].gen = nodes[2 * i + 1].gen = d ? fd_gen(d) : 0;
    }
}

bool pollset_unwatched(const struct pollfd *fds, nfds_t n)
{
    for (nfds_t i = 0; i < n; i++) {
        struct fdesc *d = fds[i].fd >= 0 ? fd_peek(fds[i].fd) : NULL;

        if (d && unlikely(load_relaxed(&d->unwatched)))
            return true;
    }
    return false;
}

/* The epoll instance of an exact wait, and what stands behind it: the wait must end when one of these is closed. */
struct exact {
    struct pollfd inner;
    const struct pollfd *fds;
    nfds_t n;
    struct fd_node *nodes; /* one per descriptor */
};

static void link_behind(struct exact *x, struct vthread *v, uint64_t ticket)
{
    for (nfds_t i = 0; i < x->n; i++) {
        struct fdesc *d = x->fds[i].fd >= 0 ? fd_get(x->fds[i].fd) : NULL;

        x->nodes[i].w = NULL;
        if (d)
            fd_link_close(d, &x->nodes[i], &v->w, ticket);
    }
}
static void unlink_behind(struct exact *x)
{
    for (nfds_t i = 0; i < x->n; i++)
        if (x->nodes[i].w)
            fd_unlink(fd_get(x->fds[i].fd), &x->nodes[i]);
}

/* Parks until something may be ready.  nodes: two per descriptor. */
static enum wake_reason park_on(struct vthread *v, const struct pollfd *fds, nfds_t n, struct fd_node *nodes,
                                struct exact *behind, uint64_t deadline, struct wait_on what)
{
    enum wake_reason r;
    uint64_t ticket;

    rt_enter(v);
    ticket = waiter_prepare_alone(&v->w, what); /* the set may be empty */
    for (nfds_t i = 0; i < n; i++) {
        struct fdesc *d = fds[i].fd >= 0 ? fd_get(fds[i].fd) : NULL;

        nodes[2 * i].linked = nodes[2 * i + 1].linked = false;
        nodes[2 * i].w = nodes[2 * i + 1].w = NULL;
        if (!d)
            continue;
        if (fds[i].events & (POLLIN | POLLRDNORM))
            fd_link(d, FD_READ, &nodes[2 * i], &v->w, ticket, true);
        if (fds[i].events & (POLLOUT | POLLWRNORM))
            fd_link(d, FD_WRITE, &nodes[2 * i + 1], &v->w, ticket, true);
    }
    if (behind)
        link_behind(behind, v, ticket);
    v->cancellable = STOP_POINT;
    v->intr = SIG_RAN_ANY;
    r = waiter_park(&v->w, deadline);
    v->intr = 0;
    v->cancellable = 0;
    if (behind)
        unlink_behind(behind);
    for (nfds_t i = 0; i < n; i++)
        for (int k = 0; k < 2; k++)
            if (nodes[2 * i + (nfds_t)k].w) /* it was linked */
                fd_unlink(fd_get(fds[i].fd), &nodes[2 * i + (nfds_t)k]);
    rt_leave(v);
    return r;
}

static long native_poll(struct vthread *v, struct pollfd *fds, nfds_t n, uint64_t deadline)
{
    struct timespec ts, *tp = NULL;

    if (deadline != NO_DEADLINE) {
        uint64_t now = now_ns(), left = deadline > now ? deadline - now : 0;

        ts.tv_sec = (time_t)(left / NSEC_PER_SEC);
        ts.tv_nsec = (long)(left % NSEC_PER_SEC);
        tp = &ts;
    }
    return blocking_go_on(v, true, false, SYS_ppoll, (long)fds, (long)n, (long)tp, 0, 8, 0);
}

/* False: it nests too deep. */
static bool exact_add(struct exact *x, nfds_t i)
{
    int fd = x->fds[i].fd;
    struct epoll_event e = { .events = (uint32_t)x->fds[i].events & 0xffff };

    long r = SYS4(SYS_epoll_ctl, x->inner.fd, EPOLL_CTL_ADD, fd, &e);

    if (r != -EEXIST)
        return r != -ELOOP;
    for (nfds_t k = 0; k < x->n; k++) /* twice in the set: join the events of all its entries */
        if (x->fds[k].fd == fd)
            e.events |= (uint32_t)x->fds[k].events & 0xffff;
    SYS4(SYS_epoll_ctl, x->inner.fd, EPOLL_CTL_MOD, fd, &e);
    return true;
}

static void exact_close(struct exact *x)
{
    if (x->inner.fd < 0)
        return;
    fd_close_begin(x->inner.fd);
    SYS1(SYS_close, x->inner.fd);
    fd_close_end(x->inner.fd);
    x->inner.fd = -1;
}

/* False: no descriptor left, or one that cannot be watched. */
static bool exact_open(struct exact *x)
{
    x->inner.fd = (int)SYS1(SYS_epoll_create1, EPOLL_CLOEXEC);
    if (x->inner.fd < 0)
        return false;
    x->inner.fd = hidden_out_of_the_way(x->inner.fd); /* not a number of the set that was closed meanwhile */
    fd_fresh(x->inner.fd);
    for (nfds_t i = 0; i < x->n; i++) {
        struct fdesc *d = x->fds[i].fd >= 0 ? fd_get(x->fds[i].fd) : NULL;

        x->nodes[i].gen = d ? fd_gen(d) : 0; /* before it is added: see pollset_note */
        if (x->fds[i].fd >= 0 && !exact_add(x, i)) {
            exact_close(x);
            return false;
        }
    }
    return true;
}

static long poll_now(struct pollfd *fds, nfds_t n)
{
    return sys_poll_now(fds, n);
}

enum wake_reason pollset_park(struct vthread *v, const struct pollfd *fds, nfds_t n, struct fd_node *nodes, uint64_t deadline,
                              struct wait_on what)
{
    return park_on(v, fds, n, nodes, NULL, deadline, what);
}

/* What came instead of an event. */
static long interrupted(struct vthread *v, enum wake_reason why)
{
    if (v->sig_ran || cancel_pending(v))
        return -EINTR;
    return why == W_INTR && cancel_stopped(v) ? -ECANCELED : 0;
}

static long poll_exact(struct vthread *v, struct pollfd *fds, nfds_t n, struct fd_node *nodes, uint64_t deadline)
{
    struct exact x = { { -1, POLLIN, 0 }, fds, n, nodes };
    enum wake_reason why = W_CLOSED;
    struct fd_node own[2];
    long r;

    for (;;) {
        if (why == W_CLOSED) { /* it watches files, and behind some number there is another one now */
            exact_close(&x);
            if (!exact_open(&x))
                return native_poll(v, fds, n, deadline);
        }
        pollset_note(&x.inner, 1, own);
        r = poll_now(fds, n);
        if (r != 0 || why == W_TIMEOUT)
            break;
        if (pollset_unwatched(&x.inner, 1)) {
            r = native_poll(v, fds, n, deadline);
            break;
        }
        why = park_on(v, &x.inner, 1, own, &x, deadline, wait_on_many(WAIT_POLL, fds, (uint32_t)n));
        r = interrupted(v, why);
        if (r)
            break;
    }
    exact_close(&x);
    return r;
}

static long poll_plain(struct vthread *v, struct pollfd *fds, nfds_t n, struct fd_node *nodes, uint64_t deadline)
{
    for (;;) {
        enum wake_reason why = park_on(v, fds, n, nodes, NULL, deadline, wait_on_many(WAIT_POLL, fds, (uint32_t)n));
        long r = interrupted(v, why);

        if (r)
            return r;
        pollset_note(fds, n, nodes);
        r = poll_now(fds, n);
        if (r != 0 || why == W_TIMEOUT)
            return r;
        if (pollset_unwatched(fds, n))
            return native_poll(v, fds, n, deadline);
    }
}

long pollset_wait(struct vthread *v, struct pollfd *fds, nfds_t n, uint64_t deadline)
{
    struct fd_node small[2 * ON_STACK], *nodes = small;
    bool exact = false;
    long r;

    if (n <= ON_STACK && !bad_address(fds))
        pollset_note(fds, n, nodes);
    r = poll_now(fds, n);
    if (r != 0 || deadline == 0)
        return r;
    for (nfds_t i = 0; i < n; i++)
        exact |= !plain(&fds[i]);
    if (n > ON_STACK) {
        nodes = malloc(2 * n * sizeof *nodes);
        if (!nodes)
            return native_poll(v, fds, n, deadline);
        pollset_note(fds, n, nodes);
        r = poll_now(fds, n);
    }
    if (r == 0)
        r = exact ? poll_exact(v, fds, n, nodes, deadline) : poll_plain(v, fds, n, nodes, deadline);
    if (nodes != small)
        free(nodes);
    return r;
}

long io_ppoll(struct vthread *v, struct pollfd *fds, nfds_t n, const struct timespec *timeout, const uint64_t *mask)
{
    struct mask_scope s;
    uint64_t deadline;
    long r = pollset_deadline(timeout, &deadline);

    if (r)
        return r;
    cancel_point(v);
    mask_begin(&s, v, mask);
    r = v->sig_ran ? -EINTR : pollset_wait(v, fds, n, deadline);
    mask_end(&s);
    if (r == -EINTR)
        cancel_point(v);
    return r;
}
