/* sendfile, splice, tee, vmsplice: the kernel moves data from one descriptor to another.
 *
 * None of them has a way to say "do not wait" for both descriptors without touching their flags (SPLICE_F_NONBLOCK means pipes
 * only).  So the vthread waits until poll says that input and room are there, and then makes the real call, announced.  What
 * goes to a socket goes in pieces that fit into its buffer, because a call for more would wait for the peer; if the estimate is
 * wrong, or another reader was faster, the call blocks its OS thread and nothing else.
 *
 * Calls that the kernel refuses must not wait first: what is not a file, a pipe or a socket, opened in the direction that the call
 * needs, goes to the kernel at once. */
#include "runtime/io/blocking.h"
#include "runtime/io/io.h"
#include "runtime/io/wait.h"
#include "runtime/thread/cancel.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/sock_diag.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#ifndef SO_MEMINFO
#define SO_MEMINFO 55
#endif

#define PIECE_MIN 4096u

/* One end of a transfer. */
struct end {
    struct fdesc *d;
    enum fd_dir dir;
    bool pipe, socket;
    bool waits; /* to be waited for: neither a file nor in non-blocking mode */
};

/* False: the kernel shall say what is wrong with it. */
static bool end_init(struct end *e, int fd, enum fd_dir dir)
{
    long fl = SYS2(SYS_fcntl, fd, F_GETFL);
    enum fd_kind kind;

    e->d = fl >= 0 ? fd_get(fd) : NULL;
    if (!e->d || (fl & O_ACCMODE) == (dir == FD_READ ? O_WRONLY : O_RDONLY))
        return false;
    kind = fd_learn_kind(e->d);
    e->dir = dir;
    e->socket = kind == FD_STREAM || kind == FD_SOCKET;
    e->pipe = !e->socket && kind != FD_FILE && SYS2(SYS_fcntl, fd, F_GETPIPE_SZ) > 0;
    e->waits = kind != FD_FILE && kind != FD_UNKNOWN && !(fl & O_NONBLOCK);
    return kind != FD_UNKNOWN;
}

/* What a socket's send buffer takes without waiting, by a careful guess (buffers count their overhead too); 0: unknown. */
static size_t room_of(const struct end *out)
{
    uint32_t m[SK_MEMINFO_VARS] = { 0 }, used;
    unsigned len = sizeof m;

    if (SYS5(SYS_getsockopt, out->d->fd, SOL_SOCKET, SO_MEMINFO, m, &len) < 0)
        return 0;
    used = m[SK_MEMINFO_WMEM_QUEUED] > m[SK_MEMINFO_WMEM_ALLOC] ? m[SK_MEMINFO_WMEM_QUEUED] : m[SK_MEMINFO_WMEM_ALLOC];
    return m[SK_MEMINFO_SNDBUF] > used ? (m[SK_MEMINFO_SNDBUF] - used) / 2 & ~(PIECE_MIN - 1) : 0;
}

static size_t piece_of(const struct end *out, size_t n)
{
    size_t room = out->socket && out->waits ? room_of(out) : n;

    room = room > PIECE_MIN ? room : PIECE_MIN;
    return n < room ? n : room;
}

/* Sockets say that they are writable later than they take more. */
static bool end_ready(const struct end *e)
{
    struct pollfd p = { e->d->fd, e->dir == FD_READ ? POLLIN : POLLOUT, 0 };

    return !e->waits || sys_poll_now(&p, 1) != 0 || (e->socket && e->dir == FD_WRITE && room_of(e) > 0);
}

/* A socket in non-blocking mode, as far as is known: were it not, the call would block its OS thread, announced. */
static bool does_not_wait(struct end *e, int fd)
{
    struct fdesc *d = fd >= 0 ? fd_peek(fd) : NULL;

    if (!d || (d->kind != FD_STREAM && d->kind != FD_SOCKET) || fd_blocks(d))
        return false;
    *e = (struct end){ .d = d, .dir = FD_WRITE, .socket = true };
    return true;
}

/* Whatever sendfile takes for a socket has positions, and is not waited for. */
static bool positioned(struct end *e, int fd)
{
    *e = (struct end){ .d = fd >= 0 ? fd_get(fd) : NULL, .dir = FD_READ };
    return e->d != NULL;
}

/* Until both are ready at the same look.  0, -EAGAIN (a socket's timeout), -EINTR, -EBADF. */
static long wait_both(struct vthread *v, const struct end *a, const struct end *b)
{
    struct io_wait wa, wb;
    long r = 0;

    io_wait_init(v, &wa, a->d, a->dir);
    io_wait_init(v, &wb, b->d, b->dir);
    for (;;) {
        if (!end_ready(a))
            r = io_wait_more(v, &wa);
        else if (!end_ready(b))
            r = io_wait_more(v, &wb);
        else
            return 0;
        if (r)
            return r;
    }
}

static bool more_in(const struct end *in)
{
    int n = 0;

    return !in->pipe || (SYS3(SYS_ioctl, in->d->fd, FIONREAD, &n) == 0 && n > 0);
}

/* The two ends of one pipe: the kernel refuses. */
static bool same_pipe(const struct end *a, const struct end *b)
{
    struct stat x, y;

    return a->pipe && b->pipe && SYS2(SYS_fstat, a->d->fd, &x) == 0 && SYS2(SYS_fstat, b->d->fd, &y) == 0 &&
           x.st_ino == y.st_ino && x.st_dev == y.st_dev;
}

/* The loop of sendfile and splice.  call: makes the system call for the next n bytes. */
struct transfer {
    struct end in, out;
    long (*call)(struct vthread *v, const struct transfer *t, size_t n);
    off_t *in_at, *out_at;
    unsigned flags;
};

static long transfer(struct vthread *v, const struct transfer *t, size_t n)
{
    size_t done = 0;

    for (;;) {
        size_t piece;
        long r = wait_both(v, &t->in, &t->out);

        if (r)
            return done ? (long)done : r;
        piece = piece_of(&t->out, n - done);
        r = t->call(v, t, piece);
        if (r > 0)
            done += (size_t)r;
        if (r <= 0 || (size_t)r < piece || done == n || !more_in(&t->in))
            return done ? (long)done : r;
    }
}

static long call_sendfile(struct vthread *v, const struct transfer *t, size_t n)
{
    return BLOCKING(v, false, true, SYS_sendfile, t->out.d->fd, t->in.d->fd, t->in_at, n, 0, 0);
}

long io_sendfile(struct vthread *v, int out, int in, off_t *at, size_t n)
{
    struct transfer t = { .call = call_sendfile, .in_at = at };

    bool known = n && (does_not_wait(&t.out, out) ? positioned(&t.in, in)
                                                  : end_init(&t.in, in, FD_READ) && end_init(&t.out, out, FD_WRITE) && !t.in.waits);

    if (!known)
        return BLOCKING(v, false, true, SYS_sendfile, out, in, at, n, 0, 0);
    return transfer(v, &t, n);
}

static long call_splice(struct vthread *v, const struct transfer *t, size_t n)
{
    return BLOCKING(v, false, true, SYS_splice, t->in.d->fd, t->in_at, t->out.d->fd, t->out_at, n, t->flags);
}

/* With SPLICE_F_NONBLOCK the kernel does not wait for pipes, but for sockets it does. */
static void pipes_do_not_wait(struct end *e, unsigned flags)
{
    if (e->pipe && (flags & SPLICE_F_NONBLOCK))
        e->waits = false;
}

long io_splice(struct vthread *v, int in, off_t *in_at, int out, off_t *out_at, size_t n, unsigned flags)
{
    struct transfer t = { .call = call_splice, .in_at = in_at, .out_at = out_at, .flags = flags };

    cancel_point(v);
    if (!end_init(&t.in, in, FD_READ) || !end_init(&t.out, out, FD_WRITE) || !(t.in.pipe || t.out.pipe) || n == 0 ||
        (t.in.waits && in_at) || (t.out.waits && out_at) || same_pipe(&t.in, &t.out))
        return BLOCKING(v, false, true, SYS_splice, in, in_at, out, out_at, n, flags);
    pipes_do_not_wait(&t.in, flags);
    pipes_do_not_wait(&t.out, flags);
    return transfer(v, &t, n);
}

long io_tee(struct vthread *v, int in, int out, size_t n, unsigned flags)
{
    struct end a, b;
    long r = 0;

    cancel_point(v);
    if (end_init(&a, in, FD_READ) && end_init(&b, out, FD_WRITE) && a.pipe && b.pipe && n > 0 &&
        !(flags & SPLICE_F_NONBLOCK) && !same_pipe(&a, &b))
        r = wait_both(v, &a, &b);
    return r ? r : BLOCKING(v, false, true, SYS_tee, in, out, n, flags, 0, 0);
}

long io_vmsplice(struct vthread *v, int fd, const struct iovec *iov, size_t n, unsigned flags)
{
    struct end e;
    long r = 0;

    cancel_point(v);
    /* The pipe's end says which way: into it if it can be written to. */
    if ((end_init(&e, fd, FD_WRITE) || end_init(&e, fd, FD_READ)) && e.pipe && n > 0 && !(flags & SPLICE_F_NONBLOCK))
        r = wait_both(v, &e, &e);
    return r ? r : BLOCKING(v, false, true, SYS_vmsplice, fd, iov, n, flags, 0, 0);
}
