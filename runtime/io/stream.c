/* read, write, recv and send.
 *
 * Each attempt is made non-blocking for itself alone: MSG_DONTWAIT on sockets, RWF_NOWAIT with offset -1 (the current position) on
 * pipes, eventfds and the like; the descriptor's own flags are never touched.  EAGAIN then means: wait, unless the
 * program itself set O_NONBLOCK.  Where it did, as far as is known, the call is made as it is (as_is): event loops have no use for
 * the rest.  Regular files, and descriptors on which RWF_NOWAIT does not work, are read by announced
 * blocking calls (the latter after waiting for readiness).
 *
 * A stream socket with SO_RCVLOWAT set is read by an announced call: how much the kernel waits for depends on how much is asked for, which
 * no poll knows.
 *
 * A blocking write goes on until all is written; what was written before an error or a signal is the result (write(2)). */
#include "runtime/io/blocking.h"
#include "runtime/io/io.h"
#include "runtime/io/wait.h"
#include "runtime/thread/cancel.h"
#include "runtime/thread/signal.h"
#include <errno.h>
#include <limits.h>
#include <string.h>

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8
#endif

struct xfer {
    int fd;
    const struct iovec *iov;
    int n;
    bool write;
    bool quiet; /* part of it was written: an error now is the next call's, and raises no SIGPIPE */
    bool users; /* iov is the program's: it may be no memory, and only the kernel may look at it before it has accepted it */
};

static long blocking_xfer(struct vthread *v, const struct xfer *x)
{
    return BLOCKING(v, false, true, x->write ? SYS_writev : SYS_readv, x->fd, x->iov, x->n, 0, 0, 0);
}

/* d may be NULL.  The call as the program made it, announced, if d is believed not to wait; else false. */
static bool as_is(struct vthread *v, struct fdesc *d, long *r, long nr, long a, long b, long c, long e, long f, long g)
{
    bool owned = v->carrier->proc != NULL;

    if (!d || !fd_no_wait(d))
        return false;
    *r = blocking_syscall(v, false, true, nr, a, b, c, e, f, g);
    if (unlikely(owned && !v->carrier->proc)) /* it did wait */
        fd_not_no_wait(d);
    return true;
}
#define AS_IS(v, fd, r, nr, b, c, e, f, g) \
    as_is((v), fd_peek(fd), (r), (nr), (fd), (long)(b), (long)(c), (long)(e), (long)(f), (long)(g))

static int ready_now(int fd, bool write)
{
    struct pollfd p = { fd, write ? POLLOUT : POLLIN, 0 };

    return (int)sys_poll_now(&p, 1);
}

/* A descriptor where neither flag works: wait until poll says ready, then call, announced.  An eventfd hardly ever has no room: it is
 * not asked before it once had none. */
static long other_xfer(struct vthread *v, struct fdesc *d, const struct xfer *x)
{
    struct fd_side *s = &d->side[FD_WRITE];
    struct io_wait w;

    io_wait_init(v, &w, d, x->write ? FD_WRITE : FD_READ);
    if (x->write && d->anonymous && !s->misses && !cancel_stopped(v)) {
        bool owned = v->carrier->proc != NULL;
        long r = blocking_xfer(v, x);

        s->misses = owned && !v->carrier->proc; /* it did wait */
        return r;
    }
    while (ready_now(x->fd, x->write) == 0 && fd_is_blocking(d)) {
        long r = io_wait_more(v, &w);

        if (r)
            return r;
    }
    return blocking_xfer(v, x);
}

static long try_nowait(const struct xfer *x, enum fd_kind kind)
{
    long r;

    if (kind == FD_STREAM && x->quiet) {
        struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)x->iov, .msg_iovlen = (size_t)x->n };

        return SYS3(SYS_sendmsg, x->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    if (kind == FD_STREAM && x->n == 1 && !x->users)
        r = x->write ? SYS6(SYS_sendto, x->fd, x->iov->iov_base, x->iov->iov_len, MSG_DONTWAIT, 0, 0)
                     : SYS6(SYS_recvfrom, x->fd, x->iov->iov_base, x->iov->iov_len, MSG_DONTWAIT, 0, 0);
    else
        r = SYS6(x->write ? SYS_pwritev2 : SYS_preadv2, x->fd, x->iov, x->n, -1l, -1l, RWF_NOWAIT);
    arch_tp_mend(); /* whom it woke may have run here meanwhile */
    return r;
}

/* After a part was written: the connection broke while we waited.  The kernel would end the call with the part and keep
 * the error for the next one; trying again would take it. */
static bool broken(int fd)
{
    struct pollfd p = { fd, POLLOUT, 0 };

    return sys_poll_now(&p, 1) > 0 && (p.revents & (POLLERR | POLLHUP));
}

static size_t total(const struct iovec *iov, int n)
{
    size_t t = 0;

    for (int i = 0; i < n; i++)
        t += iov[i].iov_len;
    return t;
}

static long read_loop(struct vthread *v, struct xfer *x)
{
    struct fdesc *d = fd_get(x->fd);
    struct io_wait w;
    long r;

    cancel_point(v);
    if (!d)
        return blocking_xfer(v, x);
    if (d->kind == FD_UNKNOWN)
        fd_learn_kind(d);
    if (d->kind == FD_FILE || d->kind == FD_UNKNOWN)
        return blocking_xfer(v, x);
    if (d->kind == FD_OTHER)
        return other_xfer(v, d, x);
    if (d->kind == FD_STREAM && unlikely(fd_has_low_water(d)))
        return blocking_xfer(v, x);
    io_wait_init(v, &w, d, FD_READ);
    r = d->kind == FD_STREAM || d->kind == FD_FLOW ? io_wait_first(v, &w) : 0;
    while (r == 0) {
        r = try_nowait(x, d->kind);
        if (r == -EOPNOTSUPP || r == -EINVAL || r == -ENOTSOCK || r == -ESPIPE) {
            d->kind = r == -ENOTSOCK ? FD_UNKNOWN : FD_OTHER;
            return other_xfer(v, d, x);
        }
        io_wait_found(&w, r != -EAGAIN);
        if (r != -EAGAIN) {
            if (d->kind == FD_STREAM && r > 0)
                d->side[FD_READ].drained = (size_t)r < total(x->iov, x->n);
            return r;
        }
        r = io_wait_more(v, &w);
    }
    return r;
}

/* Drops the first `done` bytes of an io vector, in place. */
static void advance(struct iovec **iov, int *n, size_t done)
{
    while (*n > 0 && done >= (*iov)->iov_len) {
        done -= (*iov)->iov_len;
        ++*iov;
        --*n;
    }
    if (*n > 0) {
        (*iov)->iov_base = (char *)(*iov)->iov_base + done;
        (*iov)->iov_len -= done;
    }
}

/* iov is ours to change.  quiet: a part was written before.  After a part the descriptor is full: the next attempt waits, and looks first
 * whether the connection is broken, since an attempt would take the error that belongs to the program's next call. */
static long write_loop(struct vthread *v, int fd, struct iovec *iov, int n, bool quiet)
{
    struct xfer x = { .fd = fd, .iov = iov, .n = n, .write = true, .quiet = quiet };
    struct fdesc *d = fd_get(fd);
    size_t want, done = 0;
    bool full = quiet;
    struct io_wait w;
    long r;

    cancel_point(v);
    if (!d || d->kind == FD_FILE || fd_learn_kind(d) == FD_FILE || d->kind == FD_UNKNOWN)
        return blocking_xfer(v, &x);
    if (d->kind == FD_OTHER)
        return other_xfer(v, d, &x);
    want = total(iov, n);
    io_wait_init(v, &w, d, FD_WRITE);
    for (;;) {
        x.iov = iov;
        x.n = n;
        r = full ? -EAGAIN : try_nowait(&x, d->kind);
        full = false;
        if (done == 0 && (r == -EOPNOTSUPP || r == -EINVAL || r == -ENOTSOCK || r == -ESPIPE)) {
            d->kind = r == -ENOTSOCK ? FD_UNKNOWN : FD_OTHER;
            return other_xfer(v, d, &x);
        }
        if (r >= 0) {
            done += (size_t)r;
            x.quiet = true;
            if (done >= want || d->kind == FD_SOCKET)
                return (long)done;
            advance(&iov, &n, (size_t)r);
            full = true; /* final in non-blocking mode, and a step on the way in blocking mode */
            continue;
        }
        if (r == -EPIPE && !(x.quiet && d->kind == FD_STREAM))
            signal_sigpipe(v);
        if (r == -EAGAIN && (r = io_wait_more(v, &w)) == 0) {
            if (x.quiet && d->kind == FD_STREAM && broken(fd))
                return done ? (long)done : -EPIPE; /* the caller has its part */
            continue;
        }
        return done ? (long)done : r;
    }
}

long io_read(struct vthread *v, int fd, void *buf, size_t n)
{
    struct iovec iov = { buf, n };
    struct xfer x = { .fd = fd, .iov = &iov, .n = 1 };
    long r;

    if (AS_IS(v, fd, &r, SYS_read, buf, n, 0, 0, 0))
        return r;
    if (n == 0 || n > SSIZE_MAX)
        return SYS3(SYS_read, fd, buf, n);
    return read_loop(v, &x);
}
long io_readv(struct vthread *v, int fd, const struct iovec *iov, int n)
{
    struct xfer x = { .fd = fd, .iov = iov, .n = n, .users = true };
    long r;

    if (AS_IS(v, fd, &r, SYS_readv, iov, n, 0, 0, 0))
        return r;
    if (n <= 0 || n > IOV_MAX || bad_address(iov))
        return SYS3(SYS_readv, fd, iov, n);
    return read_loop(v, &x);
}

long io_write(struct vthread *v, int fd, const void *buf, size_t n)
{
    struct iovec iov = { (void *)(uintptr_t)buf, n };
    long r;

    if (AS_IS(v, fd, &r, SYS_write, buf, n, 0, 0, 0))
        return r;
    if (n == 0 || n > SSIZE_MAX)
        return SYS3(SYS_write, fd, buf, n);
    return write_loop(v, fd, &iov, 1, false);
}

/* The program's vector must not change: only the parts that remain after a short write are copied, a few at a time. */
long io_writev(struct vthread *v, int fd, const struct iovec *iov, int n)
{
    struct fdesc *d = fd_get(fd);
    struct iovec part[8];
    size_t done = 0;
    int at = 0;
    long r;

    if (AS_IS(v, fd, &r, SYS_writev, iov, n, 0, 0, 0))
        return r;
    if (n <= 0 || n > IOV_MAX || bad_address(iov))
        return SYS3(SYS_writev, fd, iov, n);
    cancel_point(v);
    if (d && fd_learn_kind(d) != FD_FILE && d->kind != FD_UNKNOWN && d->kind != FD_OTHER) {
        struct xfer x = { .fd = fd, .iov = iov, .n = n, .write = true, .users = true };

        r = try_nowait(&x, d->kind);
        if (r == -EPIPE)
            signal_sigpipe(v);
        if (r < 0 && r != -EAGAIN && r != -EOPNOTSUPP && r != -EINVAL && r != -ESPIPE)
            return r;
        if (r > 0) {
            done = (size_t)r;
            if (done == total(iov, n) || d->kind == FD_SOCKET || !fd_is_blocking(d))
                return r;
        }
    } else {
        struct xfer x = { .fd = fd, .iov = iov, .n = n, .write = true, .users = true };

        return d && d->kind == FD_OTHER ? other_xfer(v, d, &x) : blocking_xfer(v, &x);
    }
    if (d->kind == FD_SOCKET) { /* one message: it goes whole or not at all */
        struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)n };

        return io_sendmsg(v, fd, &m, 0);
    }
    for (size_t skip = done; at < n;) {
        int k = 0;

        while (at < n && skip >= iov[at].iov_len)
            skip -= iov[at++].iov_len;
        for (; at + k < n && k < 8; k++)
            part[k] = iov[at + k];
        if (k == 0)
            break;
        part[0].iov_base = (char *)part[0].iov_base + skip;
        part[0].iov_len -= skip;
        r = write_loop(v, fd, part, k, done > 0);
        if (r < 0)
            return done ? (long)done : r;
        done += (size_t)r;
        if (r == 0)
            break;
        skip += (size_t)r;
    }
    return (long)done;
}

/* At the current position and without flags they are readv and writev.  All else concerns files, or asks not to wait. */
static bool plain_vector(off_t at, int flags)
{
    return at == -1 && flags == 0;
}
long io_preadv2(struct vthread *v, int fd, const struct iovec *iov, int n, off_t at, int flags)
{
    return plain_vector(at, flags) ? io_readv(v, fd, iov, n) : BLOCKING(v, false, true, SYS_preadv2, fd, iov, n, at, 0, flags);
}
long io_pwritev2(struct vthread *v, int fd, const struct iovec *iov, int n, off_t at, int flags)
{
    return plain_vector(at, flags) ? io_writev(v, fd, iov, n) : BLOCKING(v, false, true, SYS_pwritev2, fd, iov, n, at, 0, flags);
}

/* --- Socket calls --- */

static bool low_water(struct fdesc *d)
{
    return fd_learn_kind(d) == FD_STREAM && unlikely(fd_has_low_water(d));
}

long io_recvfrom(struct vthread *v, int fd, void *buf, size_t n, int flags, struct sockaddr *a, socklen_t *alen)
{
    struct fdesc *d = fd_get(fd);
    struct io_wait w;
    size_t done = 0;
    long r = 0;

    if (as_is(v, d, &r, SYS_recvfrom, fd, (long)buf, (long)n, flags, (long)a, (long)alen))
        return r;
    cancel_point(v);
    if (!d || (flags & (MSG_DONTWAIT | MSG_ERRQUEUE)))
        return SYS6(SYS_recvfrom, fd, buf, n, flags, a, alen);
    if (low_water(d))
        return BLOCKING(v, false, true, SYS_recvfrom, fd, buf, n, flags, a, alen);
    io_wait_init(v, &w, d, FD_READ);
    if (d->kind == FD_STREAM && !(flags & (MSG_PEEK | MSG_OOB)))
        r = io_wait_first(v, &w);
    while (r == 0) {
        r = SYS6(SYS_recvfrom, fd, (char *)buf + done, n - done, (flags & ~MSG_WAITALL) | MSG_DONTWAIT, a, alen);
        io_wait_found(&w, r != -EAGAIN);
        if (r > 0 && !(flags & MSG_PEEK)) {
            done += (size_t)r;
            d->side[FD_READ].drained = done < n;
            if ((flags & MSG_WAITALL) && done < n && fd_learn_kind(d) == FD_STREAM) {
                if (!w.asked && !fd_is_blocking(d))
                    return (long)done;
                r = io_wait_more(v, &w);
                continue;
            }
            return (long)done;
        }
        if (r == -EAGAIN && !(flags & MSG_OOB)) {
            r = io_wait_more(v, &w);
            continue;
        }
        /* MSG_PEEK with MSG_WAITALL waits until that much is there to be seen. */
        if (r > 0 && (flags & MSG_WAITALL) && (size_t)r < n && fd_learn_kind(d) == FD_STREAM && fd_is_blocking(d)) {
            r = BLOCKING(v, true, true, SYS_recvfrom, fd, buf, n, flags, a, alen);
        }
        break;
    }
    return done ? (long)done : r;
}

long io_recvmsg(struct vthread *v, int fd, struct msghdr *m, int flags)
{
    struct fdesc *d = fd_get(fd);
    struct io_wait w;
    long r;

    if (as_is(v, d, &r, SYS_recvmsg, fd, (long)m, flags, 0, 0, 0))
        return r;
    cancel_point(v);
    if (!d || !m || (flags & (MSG_DONTWAIT | MSG_ERRQUEUE)))
        return SYS3(SYS_recvmsg, fd, m, flags);
    if (low_water(d))
        return BLOCKING(v, false, true, SYS_recvmsg, fd, m, flags, 0, 0, 0);
    io_wait_init(v, &w, d, FD_READ);
    do {
        r = SYS3(SYS_recvmsg, fd, m, (flags & ~MSG_WAITALL) | MSG_DONTWAIT);
        if (r != -EAGAIN || (flags & MSG_OOB))
            break;
        r = io_wait_more(v, &w);
    } while (r == 0);
    /* The rare case: control data are lost by reading in parts, so the rest is read by a native call. */
    if (r > 0 && (flags & MSG_WAITALL) && !(flags & MSG_PEEK) && m->msg_iov && fd_learn_kind(d) == FD_STREAM &&
        (size_t)r < total(m->msg_iov, (int)m->msg_iovlen) && fd_is_blocking(d) && !m->msg_control) {
        struct iovec rest[16], *p = rest;
        int k = (int)(m->msg_iovlen < 16 ? m->msg_iovlen : 16);

        memcpy(rest, m->msg_iov, (size_t)k * sizeof *rest);
        advance(&p, &k, (size_t)r);
        for (; k > 0; p++, k--) {
            long got = io_recvfrom(v, fd, p->iov_base, p->iov_len, flags, NULL, NULL);

            if (got <= 0)
                break;
            r += got;
            if ((size_t)got < p->iov_len)
                break;
        }
    }
    return r;
}

long io_sendto(struct vthread *v, int fd, const void *buf, size_t n, int flags, const struct sockaddr *a, socklen_t alen)
{
    struct fdesc *d = fd_get(fd);
    struct io_wait w;
    size_t done = 0;
    long r;

    if (as_is(v, d, &r, SYS_sendto, fd, (long)buf, (long)n, flags, (long)a, (long)alen))
        return r;
    cancel_point(v);
    if (!d)
        return SYS6(SYS_sendto, fd, buf, n, flags, a, alen);
    io_wait_init(v, &w, d, FD_WRITE);
    do {
        r = SYS6(SYS_sendto, fd, (const char *)buf + done, n - done, flags | MSG_DONTWAIT | (done ? MSG_NOSIGNAL : 0), a, alen);
        if (r == -EPIPE && !done && !(flags & MSG_NOSIGNAL))
            signal_sigpipe(v);
        if (r >= 0) {
            done += (size_t)r;
            if (done >= n || (flags & MSG_DONTWAIT) || fd_learn_kind(d) != FD_STREAM || (!w.asked && !fd_is_blocking(d)))
                return (long)done;
            r = 0;
        } else if (r == -EAGAIN && !(flags & MSG_DONTWAIT)) {
            r = io_wait_more(v, &w);
            if (r == 0 && done && broken(fd))
                break;
        }
    } while (r == 0);
    return done ? (long)done : r;
}

long io_sendmsg(struct vthread *v, int fd, const struct msghdr *m, int flags)
{
    struct fdesc *d = fd_get(fd);
    struct io_wait w;
    long r;

    if (as_is(v, d, &r, SYS_sendmsg, fd, (long)m, flags, 0, 0, 0))
        return r;
    cancel_point(v);
    if (!d || !m || (flags & MSG_DONTWAIT))
        return SYS3(SYS_sendmsg, fd, m, flags);
    io_wait_init(v, &w, d, FD_WRITE);
    do {
        r = SYS3(SYS_sendmsg, fd, m, flags | MSG_DONTWAIT);
        if (r != -EAGAIN)
            break;
        r = io_wait_more(v, &w);
    } while (r == 0);
    if (r == -EPIPE && !(flags & MSG_NOSIGNAL))
        signal_sigpipe(v);
    if (r > 0 && m->msg_iov && (size_t)r < total(m->msg_iov, (int)m->msg_iovlen) && fd_learn_kind(d) == FD_STREAM &&
        (w.asked || fd_is_blocking(d))) {
        /* Control data went with the first part. */
        size_t skip = (size_t)r;

        for (size_t i = 0; i < m->msg_iovlen; i++) {
            const struct iovec *p = &m->msg_iov[i];
            long k;

            if (skip >= p->iov_len) {
                skip -= p->iov_len;
                continue;
            }
            k = io_sendto(v, fd, (char *)p->iov_base + skip, p->iov_len - skip, flags, NULL, 0);
            if (k < 0)
                break;
            r += k;
            if ((size_t)k < p->iov_len - skip)
                break;
            skip = 0;
        }
    }
    return r;
}
