/* Waiting for a child process.
 *
 * If one child is named and only its end is asked for, the vthread parks on a pidfd and makes the real call when that will not
 * wait any more.  All other waits (any child, a group, stops and continuations) are handed off: nothing tells of them that could be
 * parked on without taking SIGCHLD away from the program.
 *
 * A child that made itself traced (PTRACE_TRACEME) ends such a wait by stopping, which its pidfd does not tell.  So a parked
 * vthread looks again by itself at growing intervals, and a process that has called ptrace does not park here at all. */
#include "runtime/io/blocking.h"
#include "runtime/io/hidden.h"
#include "runtime/io/io.h"
#include "runtime/io/wait.h"
#include "runtime/thread/cancel.h"
#include "runtime/thread/signal.h"
#include <errno.h>
#include <fcntl.h>

#define FIRST_LOOK_NS 10000000ull
#define LAST_LOOK_NS NSEC_PER_SEC

static bool traces;

void io_traces(void)
{
    store_relaxed(&traces, true);
}

/* The real call would not wait. */
static bool settled(idtype_t type, id_t id)
{
    siginfo_t info;

    info.si_pid = 0;
    return SYS5(SYS_waitid, type, id, &info, WEXITED | WNOHANG | WNOWAIT, NULL) < 0 || info.si_pid != 0;
}

struct child_fd {
    int fd;
    uint32_t gen; /* the program may close what it does not know (closefrom), and the number be another file's then */
};

static bool child_open(struct child_fd *c, idtype_t type, id_t id)
{
    long fd = type == P_PIDFD ? SYS3(SYS_fcntl, id, F_DUPFD_CLOEXEC, 0) : SYS2(SYS_pidfd_open, id, 0);

    if (fd < 0)
        return false;
    c->fd = hidden_out_of_the_way((int)fd);
    fd_fresh(c->fd);
    if (!fd_get(c->fd)) {
        SYS1(SYS_close, c->fd);
        return false;
    }
    c->gen = fd_gen(fd_get(c->fd));
    return true;
}

static void child_close(struct child_fd *c)
{
    if (c->fd < 0 || fd_gen(fd_get(c->fd)) != c->gen)
        return;
    fd_close_begin(c->fd);
    SYS1(SYS_close, c->fd);
    fd_close_end(c->fd);
}

static bool readable(int fd)
{
    struct pollfd p = { fd, POLLIN, 0 };

    return sys_poll_now(&p, 1) > 0;
}

/* Parks until the child has ended.  1: it has.  0: this cannot be parked on.  -EINTR, -ECANCELED. */
static long park_on_child(struct vthread *v, idtype_t type, id_t id)
{
    __attribute__((cleanup(child_close))) struct child_fd c = { -1, 0 };
    uint64_t step = FIRST_LOOK_NS;
    struct io_wait w;

    if (settled(type, id))
        return 1;
    if (load_relaxed(&traces) || !child_open(&c, type, id))
        return 0;
    io_wait_init(v, &w, fd_get(c.fd), FD_READ);
    w.asked = w.restartable = true;
    for (;;) {
        long r;

        w.deadline = now_ns() + step;
        step = step * 2 < LAST_LOOK_NS ? step * 2 : LAST_LOOK_NS;
        r = io_wait_more(v, &w);
        if (r && r != -EAGAIN)
            return r == -EINTR || r == -ECANCELED ? r : 0;
        if (settled(type, id))
            return 1;
        if (r == 0 && readable(c.fd))
            return 0; /* it has ended, and yet there is more to wait for: somebody else traces it */
    }
}

/* The kernel sends SIGCHLD, and the child what it sends, before a wait can find its end: so their handlers have run when it returns. */
static long found(struct vthread *v, long r)
{
    uint64_t set = signal_caught();

    if (set)
        signal_settle(v, set);
    return r;
}

long io_wait4(struct vthread *v, pid_t pid, int *status, int options, struct rusage *ru)
{
    long r = 0;

    cancel_point(v);
    if (pid > 0 && options == 0 && (r = park_on_child(v, P_PID, (id_t)pid)) < 0)
        return r;
    r = BLOCKING(v, r == 0 && !(options & WNOHANG), true, SYS_wait4, pid, status, options, ru, 0, 0);
    return r > 0 ? found(v, r) : r;
}

/* A pidfd in non-blocking mode does not let waitid wait. */
static bool named(idtype_t type, id_t id)
{
    return type == P_PID || (type == P_PIDFD && !(SYS2(SYS_fcntl, id, F_GETFL) & O_NONBLOCK));
}

long io_waitid(struct vthread *v, idtype_t type, id_t id, siginfo_t *info, int options, struct rusage *ru)
{
    long r = 0;

    cancel_point(v);
    if ((options & ~WNOWAIT) == WEXITED && named(type, id) && (r = park_on_child(v, type, id)) < 0)
        return r;
    r = BLOCKING(v, r == 0 && !(options & WNOHANG), true, SYS_waitid, type, id, info, options, ru, 0);
    return r == 0 && !(options & WNOHANG) ? found(v, r) : r;
}
