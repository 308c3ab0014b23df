/* Calls that end, duplicate or change descriptors. */
#include "preload/hook.h"
#include <stdarg.h>

HOOK int close(int fd)
{
    struct fdesc *d;
    int r;

    if (!fd_tracked())
        return REAL(close)(fd);
    if (hidden_is(fd))
        return (int)posix(-EBADF); /* as for any number that the program did not open */
    if (vthr_self)
        linger_wait(vthr_self, fd);
    d = fd_close_begun(fd);
    r = REAL(close)(fd);
    fd_close_ended(d);
    return r;
}
HOOK int __close(int) ALIAS(close);

HOOK int dup2(int from, int to)
{
    int r;

    if (from == to || !fd_tracked())
        return REAL(dup2)(from, to);
    if (hidden_is(from) || hidden_is(to))
        return (int)posix(-EBADF);
    fd_close_begin(to);
    r = REAL(dup2)(from, to);
    fd_close_end(to);
    return r;
}
HOOK int dup3(int from, int to, int flags)
{
    int r;

    if (from == to || !fd_tracked())
        return REAL(dup3)(from, to, flags);
    if (hidden_is(from) || hidden_is(to))
        return (int)posix(-EBADF);
    fd_close_begin(to);
    r = REAL(dup3)(from, to, flags);
    fd_close_end(to);
    return r;
}
HOOK int dup(int fd)
{
    int r = REAL(dup)(fd);

    if (vthr_active && r >= 0)
        fd_fresh(r);
    return r;
}
/* Around our own descriptors. */
static int close_visible(unsigned lo, unsigned hi, int flags)
{
    unsigned mine;

    while (hidden_in_range(lo, hi, &mine)) {
        if (mine > lo && REAL(close_range)(lo, mine - 1, flags))
            return -1;
        if (mine == hi)
            return 0;
        lo = mine + 1;
    }
    return REAL(close_range)(lo, hi, flags);
}
HOOK int close_range(unsigned lo, unsigned hi, int flags)
{
    int r;

    if (flags || lo > hi || !fd_tracked())
        return REAL(close_range)(lo, hi, flags);
    fd_close_range_begin(lo, hi);
    r = close_visible(lo, hi, 0);
    fd_close_range_end(lo, hi);
    return r;
}
HOOK void closefrom(int lo)
{
    if (lo < 0 || !fd_tracked())
        REAL(closefrom)(lo);
    else
        close_range((unsigned)lo, ~0u, 0);
}
/* One argument at most, as wide as a register: passing it on unread is safe on the ABIs we support. */
HOOK int fcntl(int fd, int cmd, ...)
{
    struct vthread *v = vthr_parkable();
    va_list ap;
    void *arg;
    int r;

    va_start(ap, cmd);
    arg = va_arg(ap, void *);
    va_end(ap);
    if (v && (cmd == F_SETLKW || cmd == F_OFD_SETLKW)) {
        long got = SYS3(SYS_fcntl, fd, cmd == F_SETLKW ? F_SETLK : F_OFD_SETLK, arg);

        if (got != -EAGAIN && got != -EACCES)
            return (int)posix(got);
        return (int)posix(BLOCKING(v, true, true, SYS_fcntl, fd, cmd, arg, 0, 0, 0));
    }
    r = REAL(fcntl)(fd, cmd, arg);
    if (!vthr_active || r < 0)
        return r;
    if (cmd == F_SETFL)
        fd_mode_set(fd, !((intptr_t)arg & O_NONBLOCK));
    else if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC)
        fd_fresh(r);
    return r;
}
HOOK int fcntl64(int, int, ...) ALIAS(fcntl);
HOOK int __fcntl(int, int, ...) ALIAS(fcntl);

HOOK int ioctl(int fd, unsigned long req, ...)
{
    va_list ap;
    void *arg;
    int r;

    va_start(ap, req);
    arg = va_arg(ap, void *);
    va_end(ap);
    r = REAL(ioctl)(fd, req, arg);
    if (vthr_active && req == FIONBIO && r == 0)
        fd_mode_set(fd, *(const int *)arg == 0);
    return r;
}

/* open can wait: for a FIFO's other end, for a lease, for a disk. */
static int open_virtual(struct vthread *v, int dir, const char *path, int flags, int mode)
{
    int fd = (int)posix(BLOCKING(v, false, true, SYS_openat, dir, path, flags, mode, 0, 0));

    if (fd >= 0)
        fd_fresh(fd);
    return fd;
}
#define GET_MODE(mode, last)     \
    va_list ap;                  \
    int mode;                    \
    va_start(ap, last);          \
    mode = va_arg(ap, int);      \
    va_end(ap)

HOOK int open(const char *path, int flags, ...)
{
    struct vthread *v = vthr_parkable();
    GET_MODE(mode, flags);

    return v ? open_virtual(v, AT_FDCWD, path, flags, mode) : REAL(open)(path, flags, mode);
}
HOOK int open64(const char *path, int flags, ...)
{
    struct vthread *v = vthr_parkable();
    GET_MODE(mode, flags);

    return v ? open_virtual(v, AT_FDCWD, path, flags | O_LARGEFILE, mode) : REAL(open64)(path, flags, mode);
}
HOOK int openat(int dir, const char *path, int flags, ...)
{
    struct vthread *v = vthr_parkable();
    GET_MODE(mode, flags);

    return v ? open_virtual(v, dir, path, flags, mode) : REAL(openat)(dir, path, flags, mode);
}
HOOK int openat64(int dir, const char *path, int flags, ...)
{
    struct vthread *v = vthr_parkable();
    GET_MODE(mode, flags);

    return v ? open_virtual(v, dir, path, flags | O_LARGEFILE, mode) : REAL(openat64)(dir, path, flags, mode);
}
HOOK int creat(const char *path, mode_t mode)
{
    struct vthread *v = vthr_parkable();

    return v ? open_virtual(v, AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, (int)mode) : REAL(creat)(path, mode);
}
HOOK int creat64(const char *, mode_t) ALIAS(creat);
HOOK int __open_2(const char *path, int flags)
{
    return open(path, flags);
}
HOOK int __open64_2(const char *path, int flags)
{
    return open64(path, flags);
}
HOOK int __openat_2(int dir, const char *path, int flags)
{
    return openat(dir, path, flags);
}
HOOK int __openat64_2(int dir, const char *path, int flags)
{
    return openat64(dir, path, flags);
}
