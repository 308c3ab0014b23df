/* accept and connect.
 *
 * accept has no "do not wait" of its own, and O_NONBLOCK on the listener would show in every process that shares it.  So one vthread
 * at a time (fdesc.accepting) waits for readiness and then accepts by an announced call: if another process was faster, that call
 * blocks until the next connection and only its OS thread with it.
 *
 * connect: O_NONBLOCK is set around the system call alone and restored at once; then the vthread waits for writability and
 * calls connect again, which finds the attempt settled and ends it as a blocking connect would have (net/ipv4/af_inet.c,
 * __inet_stream_connect: SO_ERROR alone would leave a failed socket half connected). */
#include "runtime/io/blocking.h"
#include "runtime/io/io.h"
#include "runtime/io/wait.h"
#include "runtime/sched/lot.h"
#include "runtime/thread/cancel.h"
#include "runtime/thread/signal.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/un.h>

static bool readable_now(int fd)
{
    struct pollfd p = { fd, POLLIN, 0 };

    return sys_poll_now(&p, 1) != 0;
}

/* accept reserves the new descriptor's number before it waits: with none left it fails at once. */
static long number_free(void)
{
    long fd = SYS1(SYS_epoll_create1, EPOLL_CLOEXEC);

    if (fd >= 0)
        SYS1(SYS_close, fd);
    return fd < 0 ? fd : 0;
}

/* What does not listen fails at once, or does not wait: sockets of AF_ALG make children without. */
static bool listens(int fd)
{
    int on = 0;
    unsigned len = sizeof on;

    return SYS5(SYS_getsockopt, fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 && on;
}

static void end_turn(struct fdesc **d)
{
    if (*d && xchg_acq_rel(&(*d)->accepting, 0u) == 2)
        lot_wake(&(*d)->accepting, 1);
}

/* 0: it is ours. */
static long begin_turn(struct vthread *v, struct fdesc *d)
{
    uint32_t z = 0;

    if (cas_acquire(&d->accepting, &z, 1u))
        return 0;
    v->sig_ran = 0;
    while (xchg_acquire(&d->accepting, 2u) != 0) {
        long r = lot_wait_ends(&d->accepting, 2, NO_DEADLINE, ~0u, SIG_RAN_PLAIN | LOT_CANCEL, wait_on(WAIT_ACCEPT, d));

        if (r == -EINTR) {
            cancel_point(v);
            if (v->sig_ran & SIG_RAN_PLAIN)
                return -EINTR;
            if (cancel_stopped(v))
                return -ECANCELED;
        }
    }
    return 0;
}

static void child_socket(struct fdesc *listener, int fd, int flags, uint64_t stamp)
{
    struct fdesc *d;

    fd_fresh(fd);
    d = fd_get(fd);
    if (!d)
        return;
    d->kind = listener->kind;
    fd_accepted(d, listener, stamp, !(flags & SOCK_NONBLOCK));
}

static long accept_in_turn(struct vthread *v, struct fdesc *d, struct sockaddr *a, socklen_t *alen, int flags)
{
    __attribute__((cleanup(end_turn))) struct fdesc *turn = NULL;
    struct io_wait w;
    int fd = d->fd;
    long r = begin_turn(v, d);

    if (r)
        return r;
    turn = d;
    io_wait_init(v, &w, d, FD_READ);
    while (!readable_now(fd)) {
        if (!w.asked && (r = number_free()) < 0)
            return r;
        r = io_wait_more(v, &w);
        if (r)
            return r;
    }
    return BLOCKING(v, false, true, SYS_accept4, fd, a, alen, flags, 0, 0);
}

long io_accept4(struct vthread *v, int fd, struct sockaddr *a, socklen_t *alen, int flags)
{
    struct fdesc *d = fd_get(fd);
    uint64_t stamp = fd_sharing();
    long r;

    cancel_point(v);
    if (!d || (fd_learn_kind(d) != FD_STREAM && d->kind != FD_SOCKET))
        return SYS4(SYS_accept4, fd, a, alen, flags);
    if (fd_no_wait(d))
        r = BLOCKING(v, false, true, SYS_accept4, fd, a, alen, flags, 0, 0);
    else if (fd_is_blocking(d) && listens(fd))
        r = accept_in_turn(v, d, a, alen, flags);
    else
        r = SYS4(SYS_accept4, fd, a, alen, flags);
    if (r >= 0)
        child_socket(d, (int)r, flags, stamp);
    return r;
}

static long wait_connected(struct vthread *v, struct fdesc *d, const struct sockaddr *a, socklen_t alen)
{
    struct io_wait w;
    long r;

    io_wait_init(v, &w, d, FD_WRITE);
    for (;;) {
        struct pollfd p = { d->fd, POLLOUT, 0 };

        r = sys_poll_now(&p, 1);
        if (r != 0)
            break;
        r = io_wait_more(v, &w);
        if (r == -EAGAIN)
            return -EINPROGRESS; /* SO_SNDTIMEO ran out: socket(7) */
        if (r)
            return r;
    }
    r = BLOCKING(v, false, true, SYS_connect, d->fd, a, alen, 0, 0, 0);
    return r == -EISCONN ? 0 : r;
}

long io_connect(struct vthread *v, int fd, const struct sockaddr *a, socklen_t alen)
{
    struct fdesc *d = fd_get(fd);
    long fl, r;

    cancel_point(v);
    if (!d || (fd_learn_kind(d) != FD_STREAM && d->kind != FD_SOCKET))
        return SYS3(SYS_connect, fd, a, alen);
    if (fd_no_wait(d))
        return BLOCKING(v, false, true, SYS_connect, fd, a, alen, 0, 0, 0);
    fl = SYS2(SYS_fcntl, fd, F_GETFL);
    if (fl < 0 || (fl & O_NONBLOCK))
        return SYS3(SYS_connect, fd, a, alen);
    SYS3(SYS_fcntl, fd, F_SETFL, fl | O_NONBLOCK);
    r = SYS3(SYS_connect, fd, a, alen);
    SYS3(SYS_fcntl, fd, F_SETFL, fl);
    if (r == -EINPROGRESS)
        return wait_connected(v, d, a, alen);
    if (r == -EAGAIN) /* AF_UNIX with a full backlog: there is nothing to wait on but the call itself */
        r = BLOCKING(v, true, true, SYS_connect, fd, a, alen, 0, 0, 0);
    return r;
}
