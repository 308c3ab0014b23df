/* select: as poll on the same descriptors, with the kernel's own select (timeout 0) for results and errors. */
#include "runtime/io/pollset.h"
#include "runtime/thread/cancel.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
    long got;

    do {
        for (int i = 0; i < 3; i++)
            if (sets[i])
                memcpy(sets[i], saved[i], set_bytes(n));
        got = SYS6(SYS_pselect6, n, r, w, e, &zero, NULL);
    } while (got == -EINTR); /* see sys_poll_now */
    return got;
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
        got = pollset_wait(v, p, k, deadline);
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
    long got = pollset_deadline(timeout, &deadline);

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
