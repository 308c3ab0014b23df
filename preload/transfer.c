/* Calls that move data from one descriptor to another inside the kernel. */
#include "preload/hook.h"

HOOK ssize_t sendfile(int out, int in, off_t *at, size_t n)
{
    struct vthread *v = vthr_parkable();

    return v ? posix(NO_CANCEL_POINT(v, io_sendfile(v, out, in, at, n))) : REAL(sendfile)(out, in, at, n);
}
HOOK ssize_t sendfile64(int, int, off64_t *, size_t) ALIAS(sendfile);
HOOK ssize_t splice(int in, off64_t *in_at, int out, off64_t *out_at, size_t n, unsigned flags)
{
    struct vthread *v = vthr_parkable();

    return v ? posix(io_splice(v, in, in_at, out, out_at, n, flags)) : REAL(splice)(in, in_at, out, out_at, n, flags);
}
HOOK ssize_t tee(int in, int out, size_t n, unsigned flags)
{
    struct vthread *v = vthr_parkable();

    return v ? posix(io_tee(v, in, out, n, flags)) : REAL(tee)(in, out, n, flags);
}
HOOK ssize_t vmsplice(int fd, const struct iovec *iov, size_t n, unsigned flags)
{
    struct vthread *v = vthr_parkable();

    return v ? posix(io_vmsplice(v, fd, iov, n, flags)) : REAL(vmsplice)(fd, iov, n, flags);
}
/* Between files: they have no readiness. */
HOOK ssize_t copy_file_range(int in, off64_t *in_at, int out, off64_t *out_at, size_t n, unsigned flags)
{
    struct vthread *v = vthr_parkable();

    return v ? posix(BLOCKING(v, false, true, SYS_copy_file_range, in, in_at, out, out_at, n, flags))
             : REAL(copy_file_range)(in, in_at, out, out_at, n, flags);
}
