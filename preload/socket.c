/* Socket calls that wait, and those that change what is known of a descriptor. */
#include "preload/hook.h"

HOOK ssize_t recv(int fd, void *buf, size_t n, int flags)
{
    struct vthread *v = vthr_parkable();

    return v ? posix(io_recvfrom(v, fd, buf, n, flags, NULL, NULL)) : REAL(recv)(fd, buf, n, flags);
}
HOOK ssize_t recvfrom(int fd, void *restrict buf, size_t n, int flags, struct sockaddr *restrict a, socklen_t *restrict alen)
{
    struct vthread *v = vthr_parkable();

    return v ? posix(io_recvfrom(v, fd, buf, n, flags, a, alen)) : REAL(recvfrom)(fd, buf, n, flags, a, alen);
}
HOOK ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
    struct vthread *v = vthr_parkable();
    ssize_t r = v ? posix(io_recvmsg(v, fd, m, flags)) : REAL(recvmsg)(fd, m, flags);

    if (vthr_active && r >= 0 && m->msg_controllen)
        fd_fresh_passed(m);
    return r;
}
HOOK int recvmmsg(int fd, struct mmsghdr *m, unsigned n, int flags, struct timespec *t)
{
    struct vthread *v = vthr_parkable();
    int r = v ? (int)posix(io_recvmmsg(v, fd, m, n, flags, t)) : REAL(recvmmsg)(fd, m, n, flags, t);

    for (int i = 0; vthr_active && i < r; i++)
        if (m[i].msg_hdr.msg_controllen)
            fd_fresh_passed(&m[i].msg_hdr);
    return r;
}
HOOK ssize_t send(int fd, const void *buf, size_t n, int flags)
{
    struct vthread *v = vthr_parkable();

    return v ? posix(io_sendto(v, fd, buf, n, flags, NULL, 0)) : REAL(send)(fd, buf, n, flags);
}
HOOK ssize_t sendto(int fd, const void *buf, size_t n, int flags, const struct sockaddr *a, socklen_t alen)
{
    struct vthread *v = vthr_parkable();

    return v ? posix(io_sendto(v, fd, buf, n, flags, a, alen)) : REAL(sendto)(fd, buf, n, flags, a, alen);
}
/* Descriptors may go with it (SCM_RIGHTS).  Before it is sent the message is the kernel's to look at: its address may be bad. */
struct passing {
    bool may, did;
};
static struct passing passing_begin(int fd)
{
    struct fdesc *d = fd_tracked() ? fd_get(fd) : NULL;
    struct passing p = { d && fd_is_local(d), false };

    if (p.may)
        fd_sharing_begin();
    return p;
}
static void passing_end(struct passing *p) /* also when the caller is cancelled */
{
    if (p->may)
        fd_sharing_end(p->did);
}
#define PASSING(name, fd) __attribute__((cleanup(passing_end))) struct passing name = passing_begin(fd)

HOOK ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
    struct vthread *v = vthr_parkable();
    PASSING(p, fd);
    ssize_t r = v ? posix(io_sendmsg(v, fd, m, flags)) : REAL(sendmsg)(fd, m, flags);

    p.did = p.may && r >= 0 && m->msg_controllen;
    return r;
}
HOOK int sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags)
{
    struct vthread *v = vthr_parkable();
    PASSING(p, fd);
    int r = v ? (int)posix(io_sendmmsg(v, fd, m, n, flags)) : REAL(sendmmsg)(fd, m, n, flags);

    for (int i = 0; p.may && i < r; i++)
        p.did |= m[i].msg_hdr.msg_controllen != 0;
    return r;
}
HOOK ssize_t __recv_chk(int fd, void *buf, size_t n, size_t room, int flags)
{
    if (n > room)
        __chk_fail();
    return recv(fd, buf, n, flags);
}
HOOK ssize_t __recvfrom_chk(int fd, void *restrict buf, size_t n, size_t room, int flags, struct sockaddr *restrict a,
                            socklen_t *restrict alen)
{
    if (n > room)
        __chk_fail();
    return recvfrom(fd, buf, n, flags, a, alen);
}
HOOK ssize_t __send(int, const void *, size_t, int) ALIAS(send);

HOOK int accept(int fd, struct sockaddr *restrict a, socklen_t *restrict alen)
{
    struct vthread *v = vthr_parkable();

    return v ? (int)posix(io_accept4(v, fd, a, alen, 0)) : REAL(accept)(fd, a, alen);
}
HOOK int accept4(int fd, struct sockaddr *restrict a, socklen_t *restrict alen, int flags)
{
    struct vthread *v = vthr_parkable();

    return v ? (int)posix(io_accept4(v, fd, a, alen, flags)) : REAL(accept4)(fd, a, alen, flags);
}
HOOK int connect(int fd, const struct sockaddr *a, socklen_t alen)
{
    struct vthread *v = vthr_parkable();

    return v ? (int)posix(io_connect(v, fd, a, alen)) : REAL(connect)(fd, a, alen);
}
HOOK int __connect(int, const struct sockaddr *, socklen_t) ALIAS(connect);

/* A writer that waits for room must fail now; epoll does not report that for AF_UNIX. */
HOOK int shutdown(int fd, int how)
{
    int r = REAL(shutdown)(fd, how);

    if (vthr_active && r == 0 && how != SHUT_RD)
        fd_look_again(fd);
    return r;
}
HOOK int setsockopt(int fd, int level, int name, const void *val, socklen_t len)
{
    int r = REAL(setsockopt)(fd, level, name, val, len);

    if (level == SOL_SOCKET && (name == SO_RCVTIMEO || name == SO_SNDTIMEO) && r == 0)
        fd_timeouts_changed();
    if (level == SOL_SOCKET && name == SO_RCVLOWAT && r == 0)
        fd_low_water_changed();
    if (level == SOL_SOCKET && name == SO_LINGER && r == 0)
        linger_noted(val, len);
    return r;
}
HOOK int socket(int domain, int type, int proto)
{
    return BORN(REAL(socket)(domain, type, proto));
}
HOOK int socketpair(int domain, int type, int proto, int fds[2])
{
    return BORN_PAIR(fds, REAL(socketpair)(domain, type, proto, fds));
}
