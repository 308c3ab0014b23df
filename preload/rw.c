/* read and write in all their forms. */
#include "preload/hook.h"

HOOK ssize_t read(int fd, void *buf, size_t n)
{
    struct vthread *v = vthr_parkable();

    return v ? posix(io_read(v, fd, buf, n)) : REAL(read)(fd, buf, n);
}
HOOK ssize_t write(int fd, const void *buf, size_t n)
{
    struct vthread *v = vthr_parkable();

    return v ? posix(io_write(v, fd, buf, n)) : REAL(write)(fd, buf, n);
}
HOOK ssize_t readv(int fd, const struct iovec *iov, int n)
{
    struct vthread *v = vthr_parkable();

    return v ? posix(io_readv(v, fd, iov, n)) : REAL(readv)(fd, iov, n);
}
HOOK ssize_t writev(int fd, const struct iovec *iov, int n)
{
    struct vthread *v = vthr_parkable();

    return v ? posix(io_writev(v, fd, iov, n)) : REAL(writev)(fd, iov, n);
}
HOOK ssize_t __read_chk(int fd, void *buf, size_t n, size_t room)
{
    if (n > room)
        __chk_fail();
    return read(fd, buf, n);
}
HOOK ssize_t __read(int, void *, size_t) ALIAS(read);
HOOK ssize_t __write(int, const void *, size_t) ALIAS(write);

/* Positioned calls work on files, which cannot be waited for: announced. */
HOOK ssize_t pread(int fd, void *buf, size_t n, off_t at)
{
    struct vthread *v = vthr_parkable();

    return v ? posix(BLOCKING(v, false, true, SYS_pread64, fd, buf, n, at, 0, 0)) : REAL(pread)(fd, buf, n, at);
}
HOOK ssize_t pwrite(int fd, const void *buf, size_t n, off_t at)
{
    struct vthread *v = vthr_parkable();

    return v ? posix(BLOCKING(v, false, true, SYS_pwrite64, fd, buf, n, at, 0, 0)) : REAL(pwrite)(fd, buf, n, at);
}
HOOK ssize_t preadv(int fd, const struct iovec *iov, int n, off_t at)
{
    struct vthread *v = vthr_parkable();

    return v ? posix(BLOCKING(v, false, true, SYS_preadv, fd, iov, n, at, 0, 0)) : REAL(preadv)(fd, iov, n, at);
}
HOOK ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t at)
{
    struct vthread *v = vthr_parkable();

    return v ? posix(BLOCKING(v, false, true, SYS_pwritev, fd, iov, n, at, 0, 0)) : REAL(pwritev)(fd, iov, n, at);
}
HOOK ssize_t preadv2(int fd, const struct iovec *iov, int n, off_t at, int flags)
{
    struct vthread *v = vthr_parkable();

    return v ? posix(io_preadv2(v, fd, iov, n, at, flags)) : REAL(preadv2)(fd, iov, n, at, flags);
}
HOOK ssize_t pwritev2(int fd, const struct iovec *iov, int n, off_t at, int flags)
{
    struct vthread *v = vthr_parkable();

    return v ? posix(io_pwritev2(v, fd, iov, n, at, flags)) : REAL(pwritev2)(fd, iov, n, at, flags);
}
HOOK ssize_t preadv64v2(int, const struct iovec *, int, off64_t, int) ALIAS(preadv2);
HOOK ssize_t pwritev64v2(int, const struct iovec *, int, off64_t, int) ALIAS(pwritev2);
HOOK ssize_t pread64(int, void *, size_t, off64_t) ALIAS(pread);
HOOK ssize_t pwrite64(int, const void *, size_t, off64_t) ALIAS(pwrite);
HOOK ssize_t preadv64(int, const struct iovec *, int, off64_t) ALIAS(preadv);
HOOK ssize_t pwritev64(int, const struct iovec *, int, off64_t) ALIAS(pwritev);
HOOK ssize_t __pread_chk(int fd, void *buf, size_t n, off_t at, size_t room)
{
    if (n > room)
        __chk_fail();
    return pread(fd, buf, n, at);
}
HOOK ssize_t __pread64_chk(int, void *, size_t, off64_t, size_t) ALIAS(__pread_chk);

/* libc reads and writes here by internal calls. */
HOOK int eventfd_read(int fd, eventfd_t *value)
{
    return vthr_parkable() ? (read(fd, value, sizeof *value) == sizeof *value ? 0 : -1) : REAL(eventfd_read)(fd, value);
}
HOOK int eventfd_write(int fd, eventfd_t value)
{
    return vthr_parkable() ? (write(fd, &value, sizeof value) == sizeof value ? 0 : -1) : REAL(eventfd_write)(fd, value);
}
