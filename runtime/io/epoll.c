/* epoll_wait: the program's epoll descriptor is itself pollable, so the vthread parks on it; event loops block (loop.c). */
#include "runtime/io/blocking.h"
#include "runtime/io/loop.h"
#include "runtime/io/pollset.h"
#include "runtime/thread/cancel.h"
#include <errno.h>
#include <limits.h>

static long block(struct vthread *v, int epfd, struct epoll_event *ev, int max, uint64_t deadline)
{
    uint64_t now = deadline == NO_DEADLINE ? 0 : now_ns(), left = deadline > now ? deadline - now : 0;
    struct timespec ts = { (time_t)(left / NSEC_PER_SEC), (long)(left % NSEC_PER_SEC) };
    long r = blocking_go_on(v, true, false, SYS_epoll_pwait2, epfd, (long)ev, max, deadline == NO_DEADLINE ? 0 : (long)&ts, 0, 8);

    if (r == -ENOSYS) { /* Linux 5.11; whole milliseconds, never early */
        uint64_t ms = (left + 999999) / 1000000;
        int timeout = deadline == NO_DEADLINE ? -1 : ms > INT_MAX ? INT_MAX : (int)ms;

        r = blocking_go_on(v, true, false, SYS_epoll_pwait, epfd, (long)ev, max, timeout, 0, 8);
    }
    return r;
}

long io_epoll_wait(struct vthread *v, int epfd, struct epoll_event *ev, int max, const struct timespec *timeout, const uint64_t *mask)
{
    struct pollfd p = { epfd, POLLIN, 0 };
    struct mask_scope s;
    struct fd_node nodes[2];
    uint64_t deadline;
    long r = pollset_deadline(timeout, &deadline);

    if (r)
        return r;
    cancel_point(v);
    mask_begin(&s, v, mask);
    for (;;) {
        enum wake_reason why;

        if (v->sig_ran || cancel_pending(v)) {
            r = -EINTR;
            break;
        }
        if (deadline != 0 && !cancel_stopped(v) && (loop_blocks(v) || pollset_unwatched(&p, 1))) {
            r = block(v, epfd, ev, max, deadline);
            break;
        }
        pollset_note(&p, 1, nodes);
        r = SYS6(SYS_epoll_pwait, epfd, ev, max, 0, NULL, 8);
        if (r != 0 || deadline == 0)
            break;
        why = pollset_park(v, &p, 1, nodes, deadline, wait_on(WAIT_EPOLL, fd_peek(epfd)));
        if (why == W_CLOSED) {
            r = -EBADF;
            break;
        }
        if (why == W_INTR && cancel_stopped(v) && !v->sig_ran && !cancel_pending(v)) {
            r = -ECANCELED;
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
