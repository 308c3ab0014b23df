/* poll, select, epoll. */
#include "preload/hook.h"
#include <string.h>

static const uint64_t *mask_of(const sigset_t *s, uint64_t *room)
{
    if (!s)
        return NULL;
    memcpy(room, s, sizeof *room);
    return room;
}

HOOK int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *ss)
{
    struct vthread *v = vthr_parkable();
    uint64_t room;

    return v ? (int)posix(io_ppoll(v, fds, n, t, mask_of(ss, &room))) : REAL(ppoll)(fds, n, t, ss);
}
HOOK int poll(struct pollfd *fds, nfds_t n, int ms)
{
    struct vthread *v = vthr_parkable();
    struct timespec t = { ms / 1000, ms % 1000 * 1000000l };

    return v ? (int)posix(io_ppoll(v, fds, n, ms < 0 ? NULL : &t, NULL)) : REAL(poll)(fds, n, ms);
}
HOOK int __poll(struct pollfd *, nfds_t, int) ALIAS(poll);
HOOK int __poll_chk(struct pollfd *fds, nfds_t n, int ms, size_t room)
{
    if (room / sizeof *fds < n)
        __chk_fail();
    return poll(fds, n, ms);
}
HOOK int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *ss, size_t room)
{
    if (room / sizeof *fds < n)
        __chk_fail();
    return ppoll(fds, n, t, ss);
}
HOOK int select(int n, fd_set *restrict r, fd_set *restrict w, fd_set *restrict e, struct timeval *restrict tv)
{
    struct vthread *v = vthr_parkable();
    struct timespec t;
    long got;

    if (!v)
        return REAL(select)(n, r, w, e, tv);
    if (!tv)
        return (int)posix(io_pselect(v, n, r, w, e, NULL, NULL, false));
    if (tv->tv_sec < 0 || tv->tv_usec < 0)
        return (int)posix(-EINVAL);
    t.tv_sec = tv->tv_sec + tv->tv_usec / 1000000;
    t.tv_nsec = tv->tv_usec % 1000000 * 1000;
    got = io_pselect(v, n, r, w, e, &t, NULL, true);
    tv->tv_sec = t.tv_sec;
    tv->tv_usec = t.tv_nsec / 1000;
    return (int)posix(got);
}
HOOK int __select(int, fd_set *, fd_set *, fd_set *, struct timeval *) ALIAS(select);
HOOK int pselect(int n, fd_set *restrict r, fd_set *restrict w, fd_set *restrict e, const struct timespec *restrict t,
                 const sigset_t *restrict ss)
{
    struct vthread *v = vthr_parkable();
    struct timespec copy;
    uint64_t room;

    if (!v)
        return REAL(pselect)(n, r, w, e, t, ss);
    if (t)
        copy = *t;
    return (int)posix(io_pselect(v, n, r, w, e, t ? &copy : NULL, mask_of(ss, &room), false));
}
HOOK int epoll_wait(int ep, struct epoll_event *ev, int max, int ms)
{
    struct vthread *v = vthr_parkable();
    struct timespec t = { ms / 1000, ms % 1000 * 1000000l };

    return v ? (int)posix(io_epoll_wait(v, ep, ev, max, ms < 0 ? NULL : &t, NULL)) : REAL(epoll_wait)(ep, ev, max, ms);
}
HOOK int epoll_pwait(int ep, struct epoll_event *ev, int max, int ms, const sigset_t *ss)
{
    struct vthread *v = vthr_parkable();
    struct timespec t = { ms / 1000, ms % 1000 * 1000000l };
    uint64_t room;

    return v ? (int)posix(io_epoll_wait(v, ep, ev, max, ms < 0 ? NULL : &t, mask_of(ss, &room)))
             : REAL(epoll_pwait)(ep, ev, max, ms, ss);
}
HOOK int epoll_pwait2(int ep, struct epoll_event *ev, int max, const struct timespec *t, const sigset_t *ss)
{
    struct vthread *v = vthr_parkable();
    uint64_t room;

    return v ? (int)posix(io_epoll_wait(v, ep, ev, max, t, mask_of(ss, &room))) : REAL(epoll_pwait2)(ep, ev, max, t, ss);
}
