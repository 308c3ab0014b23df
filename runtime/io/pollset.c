/* poll, select and epoll_wait.
 *
 * The real call with timeout 0 says what is ready; if nothing is, the vthread queues on every (descriptor, direction) of the set, parks,
 * and asks again.  Sets with events beyond readable and writable (POLLPRI, POLLRDHUP, none at all) go through an epoll instance made for
 * this wait, on which the vthread parks: our watchers know two directions only.  A program's own epoll descriptor is itself
 * pollable: epoll_wait parks on it.
 *
 * Signal masks of the p-forms are virtual masks: set, wait, handlers run, restored. */
#include "runtime/io/blocking.h"
#include "runtime/io/io.h"
#include "runtime/io/wait.h"
#include "runtime/mem/slab.h"
#include "runtime/sync/deadline.h"
#include "runtime/thread/cancel.h"
#include "runtime/thread/signal.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ON_STACK 16

static const struct timespec no_wait;

struct mask_scope {
    struct vthread *v;
    uint64_t old;
    bool set;
};
static void mask_begin(struct mask_scope *s, struct vthread *v, const uint64_t *mask)
{
    s->v = v;
    s->set = mask != NULL;
    v->sig_ran = 0;
    if (mask)
        signal_mask(v, SIG_SETMASK, mask, &s->old);
}
static void mask_end(struct mask_scope *s)
{
    if (s->set)
        signal_mask(s->v, SIG_SETMASK, &s->old, NULL);
}

/* A deadline of 0 means: do not wait. */
static int deadline_of(const struct timespec *t, uint64_t *out)
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

/* --- poll --- */

static bool plain(const struct pollfd *f)
{
    return f->fd < 0 || (f->events & (POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM)) ?
               !(f->events & (POLLPRI | POLLRDHUP | POLLRDBAND | POLLWRBAND)) :
               false;
}

/* What stands behind an exact wait: it must end when one of these is closed. */
struct behind {
    const struct pollfd *fds;
    nfds_t n;
    struct fd_node *nodes;
};

static void link_behind(struct behind *b, struct vthread *v, uint64_t ticket)
{
    for (nfds_t i = 0; i < b->n; i++) {
        struct fdesc *d = b->fds[i].fd >= 0 ? fd_get(b->fds[i].fd) : NULL;

        b->nodes[i].w = NULL;
        if (d)
            fd_link_close(d, &b->nodes[i], &v->w, ticket);
    }
}
static void unlink_behind(struct behind *b)
{
    for (nfds_t i = 0; i < b->n; i++)
        if (b->nodes[i].w)
            fd_unlink(fd_get(b->fds[i].fd), &b->nodes[i]);
}

/* Parks until something may be ready.  nodes: two per descriptor. */
static enum wake_reason park_on(struct vthread *v, const struct pollfd *fds, nfds_t n, struct fd_node *nodes,
                                struct behind *behind, uint64_t deadline)
{
    enum wake_reason r;
    uint64_t ticket;

    rt_enter(v);
    ticket = waiter_prepare(&v->w);
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
    v->cancellable = 1;
    r = waiter_park(&v->w, deadline, fds);
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

/* An epoll instance with exactly these events, to park on.  -errno: cannot. */
static int exact_epoll(const struct pollfd *fds, nfds_t n)
{
    long ep = SYS1(SYS_epoll_create1, EPOLL_CLOEXEC);

    for (nfds_t i = 0; ep >= 0 && i < n; i++) {
        struct epoll_event e = { .events = (uint32_t)fds[i].events & 0xffff };

        if (fds[i].fd >= 0 && SYS4(SYS_epoll_ctl, ep, EPOLL_CTL_ADD, fds[i].fd, &e) == -EEXIST) {
            /* Twice in the set: join the events of all its entries. */
            for (nfds_t k = 0; k < n; k++)
                if (fds[k].fd == fds[i].fd)
                    e.events |= (uint32_t)fds[k].events & 0xffff;
            SYS4(SYS_epoll_ctl, ep, EPOLL_CTL_MOD, fds[i].fd, &e);
        }
    }
    return (int)ep;
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
    return BLOCKING(v, true, false, SYS_ppoll, fds, n, tp, 0, 8, 0);
}

static long poll_loop(struct vthread *v, struct pollfd *fds, nfds_t n, uint64_t deadline)
{
    struct fd_node small[2 * ON_STACK + 2], *nodes = small;
    struct pollfd inner = { -1, POLLIN, 0 };
    bool exact = false;
    long r;

    r = SYS5(SYS_ppoll, fds, n, &no_wait, NULL, 8);
    if (r != 0 || deadline == 0)
        return r;
    for (nfds_t i = 0; i < n; i++)
        exact |= !plain(&fds[i]);
    if (exact && (inner.fd = exact_epoll(fds, n)) < 0)
        return native_poll(v, fds, n, deadline);
    if (n > ON_STACK && !(nodes = malloc((2 * n + 2) * sizeof *nodes))) {
        if (exact)
            SYS1(SYS_close, inner.fd);
        return native_poll(v, fds, n, deadline);
    }
    struct behind behind = { fds, n, nodes + 2 };

    if (exact)
        fd_fresh(inner.fd);
    for (;;) {
        enum wake_reason why = exact ? park_on(v, &inner, 1, nodes, &behind, deadline)
                                     : park_on(v, fds, n, nodes, NULL, deadline);

        if (v->sig_ran || cancel_pending(v)) {
            r = -EINTR;
            break;
        }
        r = SYS5(SYS_ppoll, fds, n, &no_wait, NULL, 8);
        if (r != 0 || why == W_TIMEOUT)
            break;
    }
    if (exact) {
        fd_close_begin(inner.fd);
        SYS1(SYS_close, inner.fd);
        fd_close_end(inner.fd);
    }
    if (nodes != small)
        free(nodes);
    return r;
}

long io_ppoll(struct vthread *v, struct pollfd *fds, nfds_t n, const struct timespec *timeout, const uint64_t *mask)
{
    struct mask_scope s;
    uint64_t deadline;
    long r = deadline_of(timeout, &deadline);

    if (r)
        return r;
    cancel_point(v);
    mask_begin(&s, v, mask);
    r = v->sig_ran ? -EINTR : poll_loop(v, fds, n, deadline);
    mask_end(&s);
    if (r == -EINTR)
        cancel_point(v);
    return r;
}

/* --- select --- */

static nfds_t count_fds(int n, const fd_set *r, const fd_set *w, const fd_set *e)
{
    nfds_t k = 0;

    for (int fd = 0; fd < n; fd++)
        k += (r && FD_ISSET(fd, r)) || (w && FD_ISSET(fd, w)) || (e && FD_ISSET(fd, e));
    return k;
}

static void fill(struct pollfd *p, int n, const fd_set *r, const fd_set *w, const fd_set *e)
{
    for (int fd = 0; fd < n; fd++) {
        short ev = 0;

        if (r && FD_ISSET(fd, r))
            ev |= POLLIN;
        if (w && FD_ISSET(fd, w))
            ev |= POLLOUT;
        if (e && FD_ISSET(fd, e))
            ev |= POLLPRI;
        if (ev)
            *p++ = (struct pollfd){ fd, ev, 0 };
    }
}

static size_t set_bytes(int n)
{
    return ((size_t)n + 63) / 64 * 8;
}

/* The kernel's own select with no timeout: exact results and errors.  The sets are restored when nothing is ready. */
static long select_now(int n, fd_set *r, fd_set *w, fd_set *e, fd_set *const saved[3])
{
    fd_set *const sets[3] = { r, w, e };
    struct timespec zero = { 0, 0 };

    for (int i = 0; i < 3; i++)
        if (sets[i])
            memcpy(sets[i], saved[i], set_bytes(n));
    return SYS6(SYS_pselect6, n, r, w, e, &zero, NULL);
}

static long select_loop(struct vthread *v, int n, fd_set *r, fd_set *w, fd_set *e, uint64_t deadline)
{
    fd_set *const sets[3] = { r, w, e };
    char *mem, *at;
    fd_set *saved[3] = { NULL, NULL, NULL };
    nfds_t k = count_fds(n, r, w, e);
    struct pollfd *p;
    long got;

    mem = malloc(3 * set_bytes(n) + k * sizeof *p + 16);
    if (!mem)
        return -ENOMEM;
    at = mem;
    p = (struct pollfd *)(void *)at;
    at += (k * sizeof *p + 15) & ~(size_t)15;
    for (int i = 0; i < 3; i++, at += set_bytes(n))
        if (sets[i]) {
            saved[i] = (fd_set *)(void *)at;
            memcpy(saved[i], sets[i], set_bytes(n));
        }
    fill(p, n, r, w, e);
    for (;;) {
        got = select_now(n, r, w, e, saved);
        if (got != 0 || deadline == 0)
            break;
        got = poll_loop(v, p, k, deadline);
        if (got == 0) { /* the deadline: one last look leaves the sets as select does */
            got = select_now(n, r, w, e, saved);
            break;
        }
        if (got < 0)
            break;
    }
    if (got < 0)
        for (int i = 0; i < 3; i++)
            if (sets[i])
                memcpy(sets[i], saved[i], set_bytes(n));
    free(mem);
    return got;
}

long io_pselect(struct vthread *v, int n, fd_set *r, fd_set *w, fd_set *e, struct timespec *timeout, const uint64_t *mask,
                bool update_timeout)
{
    struct mask_scope s;
    uint64_t deadline;
    long got = deadline_of(timeout, &deadline);

    if (got)
        return got;
    if (n < 0)
        return -EINVAL;
    cancel_point(v);
    mask_begin(&s, v, mask);
    got = v->sig_ran ? -EINTR : select_loop(v, n, r, w, e, deadline);
    mask_end(&s);
    if (update_timeout && timeout && deadline != NO_DEADLINE) {
        uint64_t now = now_ns(), left = deadline > now ? deadline - now : 0;

        timeout->tv_sec = (time_t)(left / NSEC_PER_SEC);
        timeout->tv_nsec = (long)(left % NSEC_PER_SEC);
    }
    if (got == -EINTR)
        cancel_point(v);
    return got;
}

/* --- epoll --- */

long io_epoll_wait(struct vthread *v, int epfd, struct epoll_event *ev, int max, int timeout_ms, const uint64_t *mask)
{
    struct timespec t = { timeout_ms / 1000, timeout_ms % 1000 * 1000000l };
    struct pollfd p = { epfd, POLLIN, 0 };
    struct mask_scope s;
    struct fd_node nodes[2];
    uint64_t deadline;
    long r = deadline_of(timeout_ms < 0 ? NULL : &t, &deadline);

    cancel_point(v);
    mask_begin(&s, v, mask);
    for (;;) {
        enum wake_reason why;

        if (v->sig_ran || cancel_pending(v)) {
            r = -EINTR;
            break;
        }
        r = SYS6(SYS_epoll_pwait, epfd, ev, max, 0, NULL, 8);
        if (r != 0 || deadline == 0)
            break;
        why = park_on(v, &p, 1, nodes, NULL, deadline);
        if (why == W_CLOSED) {
            r = -EBADF;
            break;
        }
        if (why == W_TIMEOUT)
            deadline = 0;
    }
    mask_end(&s);
    if (r == -EINTR)
        cancel_point(v);
    return r;
}
