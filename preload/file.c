/* Locks on files, and calls that wait for a disk: nothing to park on, so they are announced.  Those that write back what was
 * written before hand their processor off at once. */
#include "preload/hook.h"
#include <fcntl.h>

HOOK int flock(int fd, int op)
{
    struct vthread *v = vthr_parkable();
    long r;

    if (!v || (op & LOCK_NB))
        return REAL(flock)(fd, op);
    r = SYS2(SYS_flock, fd, op | LOCK_NB); /* free, nearly always: a try costs less than a handoff */
    if (r == -EWOULDBLOCK)
        r = NO_CANCEL_POINT(v, BLOCKING(v, true, true, SYS_flock, fd, op, 0, 0, 0, 0));
    return (int)posix(r);
}
HOOK int lockf(int fd, int cmd, off_t len)
{
    struct flock from_here = { .l_type = F_WRLCK, .l_whence = SEEK_CUR, .l_len = len };

    if (cmd == F_LOCK)
        return fcntl(fd, F_SETLKW, &from_here); /* which waits as it does */
    FORWARD(false, REAL(lockf)(fd, cmd, len));
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
HOOK void sync(void)
{
    struct vthread *v = vthr_parkable();

    if (v)
        NO_CANCEL_POINT(v, BLOCKING(v, true, true, SYS_sync, 0, 0, 0, 0, 0, 0));
    else
        REAL(sync)();
}
HOOK int syncfs(int fd)
{
    struct vthread *v = vthr_parkable();

    return v ? (int)posix(NO_CANCEL_POINT(v, BLOCKING(v, true, true, SYS_syncfs, fd, 0, 0, 0, 0, 0))) : REAL(syncfs)(fd);
}
HOOK int msync(void *at, size_t n, int flags)
{
    struct vthread *v = vthr_parkable();

    return v ? (int)posix(BLOCKING(v, flags & MS_SYNC, true, SYS_msync, at, n, flags, 0, 0, 0)) : REAL(msync)(at, n, flags);
}
HOOK int sync_file_range(int fd, off64_t at, off64_t n, unsigned flags)
{
    struct vthread *v = vthr_parkable();

    return v ? (int)posix(BLOCKING(v, false, true, SYS_sync_file_range, fd, at, n, flags, 0, 0))
             : REAL(sync_file_range)(fd, at, n, flags);
}
HOOK int fallocate(int fd, int mode, off_t at, off_t n)
{
    struct vthread *v = vthr_parkable();

    return v ? (int)posix(BLOCKING(v, false, true, SYS_fallocate, fd, mode, at, n, 0, 0)) : REAL(fallocate)(fd, mode, at, n);
}
HOOK int fallocate64(int, int, off64_t, off64_t) ALIAS(fallocate);
/* Where the file system cannot, libc writes to each block. */
HOOK int posix_fallocate(int fd, off_t at, off_t n)
{
    FORWARD(false, REAL(posix_fallocate)(fd, at, n));
}
HOOK int posix_fallocate64(int, off64_t, off64_t) ALIAS(posix_fallocate);
HOOK ssize_t readahead(int fd, off64_t at, size_t n)
{
    FORWARD(false, REAL(readahead)(fd, at, n));
}
