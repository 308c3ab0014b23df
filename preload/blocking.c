/* Calls that can block for long and cannot be parked: announced, so that the processor goes to another carrier at once. */
#include "preload/hook.h"

#define FORWARD(sure, call)              \
    struct vthread *v = vthr_parkable(); \
    return v ? ANNOUNCED(v, sure, call) : (call)

HOOK int flock(int fd, int op)
{
    struct vthread *v = vthr_parkable();
    long r;

    if (!v || (op & LOCK_NB))
        return REAL(flock)(fd, op);
    r = SYS2(SYS_flock, fd, op | LOCK_NB); /* free, nearly always: a try costs less than a handoff */
    if (r == -EWOULDBLOCK)
        r = BLOCKING(v, true, true, SYS_flock, fd, op, 0, 0, 0, 0);
    return (int)posix(r);
}
HOOK int lockf(int fd, int cmd, off_t len)
{
    FORWARD(cmd == F_LOCK, REAL(lockf)(fd, cmd, len));
}
HOOK int lockf64(int, int, off64_t) ALIAS(lockf);
HOOK int fsync(int fd)
{
    struct vthread *v = vthr_parkable();

    return v ? (int)posix(BLOCKING(v, true, false, SYS_fsync, fd, 0, 0, 0, 0, 0)) : REAL(fsync)(fd);
}
HOOK int fdatasync(int fd)
{
    struct vthread *v = vthr_parkable();

    return v ? (int)posix(BLOCKING(v, true, false, SYS_fdatasync, fd, 0, 0, 0, 0, 0)) : REAL(fdatasync)(fd);
}

/* Names: most look-ups end in a file or a cache within microseconds, so the monitor decides which ones wait. */
HOOK int getaddrinfo(const char *restrict node, const char *restrict service, const struct addrinfo *restrict hints,
                     struct addrinfo **restrict res)
{
    FORWARD(false, REAL(getaddrinfo)(node, service, hints, res));
}
HOOK int getnameinfo(const struct sockaddr *restrict a, socklen_t alen, char *restrict host, socklen_t hostlen,
                     char *restrict serv, socklen_t servlen, int flags)
{
    FORWARD(false, REAL(getnameinfo)(a, alen, host, hostlen, serv, servlen, flags));
}
HOOK struct hostent *gethostbyname(const char *name)
{
    FORWARD(false, REAL(gethostbyname)(name));
}
HOOK struct hostent *gethostbyname2(const char *name, int af)
{
    FORWARD(false, REAL(gethostbyname2)(name, af));
}
HOOK struct hostent *gethostbyaddr(const void *a, socklen_t len, int type)
{
    FORWARD(false, REAL(gethostbyaddr)(a, len, type));
}
HOOK int gethostbyname_r(const char *restrict name, struct hostent *restrict ret, char *restrict buf, size_t len,
                         struct hostent **restrict res, int *restrict err)
{
    FORWARD(false, REAL(gethostbyname_r)(name, ret, buf, len, res, err));
}
HOOK int gethostbyname2_r(const char *restrict name, int af, struct hostent *restrict ret, char *restrict buf, size_t len,
                          struct hostent **restrict res, int *restrict err)
{
    FORWARD(false, REAL(gethostbyname2_r)(name, af, ret, buf, len, res, err));
}
HOOK int gethostbyaddr_r(const void *restrict a, socklen_t alen, int type, struct hostent *restrict ret, char *restrict buf,
                         size_t len, struct hostent **restrict res, int *restrict err)
{
    FORWARD(false, REAL(gethostbyaddr_r)(a, alen, type, ret, buf, len, res, err));
}
