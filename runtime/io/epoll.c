/* epoll_wait: the program's epoll descriptor is itself pollable, so the vthread parks on it. */
#include "runtime/io/pollset.h"
#include "runtime/thread/cancel.h"
#include <errno.h>

long io_epoll_wait(struct vthread *v, int epfd, struct epoll_event *ev, int max, int timeout_ms, const uint64_t *mask)
{
    struct timespec t = { timeout_ms / 1000, timeout_ms % 1000 * 1000000l };
    struct pollfd p = { epfd, POLLIN, 0 };
    struct mask_scope s;
    struct fd_node nodes[2];
    uint64_t deadline;
    long r = pollset_deadline(timeout_ms < 0 ? NULL : &t, &deadline);

    cancel_point(v);
    mask_begin(&s, v, mask);
    for (;;) {
        enum wake_reason why;

        if (v->sig_ran || cancel_pending(v)) {
            r = -EINTR;
            break;
        }
        pollset_note(&p, 1, nodes);
        r = SYS6(SYS_epoll_pwait, epfd, ev, max, 0, NULL, 8);
        if (r != 0 || deadline == 0)
            break;
        why = pollset_park(v, &p, 1, nodes, deadline);
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
