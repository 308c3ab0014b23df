/* recvmmsg and sendmmsg: many messages by one call.
 *
 * Datagrams: the kernel's own call with MSG_DONTWAIT takes or sends as many as it can; the vthread parks between such batches.
 * Stream sockets: message by message, because each of them is complete only when all its bytes are through.
 *
 * An error that comes after some messages belongs to the next call (recvmmsg(2)), so a socket that reports one is not
 * asked again by this call.  The timeout is looked at after messages came, as the kernel does it, not while waiting for one. */
#include "runtime/io/io.h"
#include "runtime/io/wait.h"
#include "runtime/sync/deadline.h"
#include "runtime/thread/cancel.h"
#include "runtime/thread/signal.h"
#include <errno.h>

#define MAX_SENT 1024 /* of one call: the kernel's UIO_MAXIOV */

static bool failed(int fd)
{
    struct pollfd p = { fd, 0, 0 };

    return sys_poll_now(&p, 1) > 0 && (p.revents & POLLERR);
}

static bool over(uint64_t end)
{
    return end != NO_DEADLINE && now_ns() >= end;
}

static long receive_datagrams(struct vthread *v, struct fdesc *d, struct mmsghdr *m, unsigned n, int flags, uint64_t end)
{
    struct io_wait w;
    unsigned done = 0;
    long r;

    io_wait_init(v, &w, d, FD_READ);
    for (;;) {
        r = SYS5(SYS_recvmmsg, d->fd, m + done, n - done, (flags & ~MSG_WAITFORONE) | MSG_DONTWAIT, NULL);
        if (r > 0) {
            done += (unsigned)r;
            if (done == n || (flags & MSG_WAITFORONE) || over(end) || failed(d->fd))
                break;
            io_wait_init(v, &w, d, FD_READ); /* SO_RCVTIMEO is for each message */
            continue;
        }
        if (r != -EAGAIN || (r = io_wait_more(v, &w)) != 0)
            break;
    }
    return done ? (long)done : r;
}

static long receive_each(struct vthread *v, struct fdesc *d, struct mmsghdr *m, unsigned n, int flags, uint64_t end)
{
    unsigned done = 0;
    long r = 0;

    while (done < n) {
        r = io_recvmsg(v, d->fd, &m[done].msg_hdr, flags & ~MSG_WAITFORONE);
        if (r < 0)
            break;
        m[done++].msg_len = (unsigned)r;
        if (flags & MSG_WAITFORONE)
            flags |= MSG_DONTWAIT;
        if (over(end) || (m[done - 1].msg_hdr.msg_flags & MSG_OOB) || (done < n && failed(d->fd)))
            break;
    }
    return done ? (long)done : r;
}

long io_recvmmsg(struct vthread *v, int fd, struct mmsghdr *m, unsigned n, int flags, struct timespec *timeout)
{
    struct fdesc *d = fd_get(fd);
    uint64_t end = NO_DEADLINE, now;
    enum fd_kind kind;
    long r;

    cancel_point(v);
    if (timeout && bad_address(timeout))
        return -EFAULT;
    if (timeout && (!ts_valid(timeout) || timeout->tv_sec < 0))
        return -EINVAL;
    kind = d ? fd_learn_kind(d) : FD_UNKNOWN;
    if ((kind != FD_STREAM && kind != FD_SOCKET) || n == 0 || bad_address(m) || (flags & (MSG_DONTWAIT | MSG_ERRQUEUE | MSG_OOB)))
        return SYS5(SYS_recvmmsg, fd, m, n, flags, timeout);
    if (timeout)
        end = deadline_after(timeout);
    r = kind == FD_SOCKET ? receive_datagrams(v, d, m, n, flags, end) : receive_each(v, d, m, n, flags, end);
    if (r > 0 && timeout) {
        now = now_ns();
        end = end > now ? end - now : 0;
        timeout->tv_sec = (time_t)(end / NSEC_PER_SEC);
        timeout->tv_nsec = (long)(end % NSEC_PER_SEC);
    }
    return r;
}

static long send_datagrams(struct vthread *v, struct fdesc *d, struct mmsghdr *m, unsigned n, int flags)
{
    struct io_wait w;
    unsigned done = 0;
    long r;

    io_wait_init(v, &w, d, FD_WRITE);
    for (;;) {
        r = SYS4(SYS_sendmmsg, d->fd, m + done, n - done, flags | MSG_DONTWAIT);
        if (r > 0) {
            done += (unsigned)r;
            if (done == n)
                break;
            io_wait_init(v, &w, d, FD_WRITE);
            continue;
        }
        if (r == -EPIPE && !(flags & MSG_NOSIGNAL))
            signal_sigpipe(v);
        if (r != -EAGAIN || (r = io_wait_more(v, &w)) != 0)
            break;
    }
    return done ? (long)done : r;
}

static long send_each(struct vthread *v, struct fdesc *d, struct mmsghdr *m, unsigned n, int flags)
{
    unsigned done = 0;
    long r = 0;

    while (done < n) {
        r = io_sendmsg(v, d->fd, &m[done].msg_hdr, flags);
        if (r < 0)
            break;
        m[done++].msg_len = (unsigned)r;
    }
    return done ? (long)done : r;
}

long io_sendmmsg(struct vthread *v, int fd, struct mmsghdr *m, unsigned n, int flags)
{
    struct fdesc *d = fd_get(fd);
    enum fd_kind kind;

    cancel_point(v);
    kind = d ? fd_learn_kind(d) : FD_UNKNOWN;
    n = n < MAX_SENT ? n : MAX_SENT;
    if ((kind != FD_STREAM && kind != FD_SOCKET) || n == 0 || bad_address(m) || (flags & MSG_DONTWAIT))
        return SYS4(SYS_sendmmsg, fd, m, n, flags);
    return kind == FD_SOCKET ? send_datagrams(v, d, m, n, flags) : send_each(v, d, m, n, flags);
}
