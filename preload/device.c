/* Terminals and the kernel's random numbers: their few calls that wait. */
#include "preload/hook.h"

/* These end with EINTR whatever SA_RESTART says: the kernel looks for a signal itself. */
HOOK int tcdrain(int fd)
{
    struct vthread *v = vthr_parkable();

    return v ? (int)posix(BLOCKING(v, false, false, SYS_ioctl, fd, TCSBRK, 1, 0, 0, 0)) : REAL(tcdrain)(fd);
}
HOOK int tcsendbreak(int fd, int duration)
{
    struct vthread *v = vthr_parkable();
    int req = duration > 0 ? TCSBRKP : TCSBRK, tenths = duration > 0 ? (duration + 99) / 100 : 0;

    return v ? (int)posix(NO_CANCEL_POINT(v, BLOCKING(v, false, false, SYS_ioctl, fd, req, tenths, 0, 0, 0)))
             : REAL(tcsendbreak)(fd, duration);
}
HOOK int tcsetattr(int fd, int when, const struct termios *t)
{
    FORWARD(false, REAL(tcsetattr)(fd, when, t));
}

/* They wait once in the life of a system, until its generator is ready. */
HOOK ssize_t getrandom(void *buf, size_t n, unsigned flags)
{
    struct vthread *v = vthr_parkable();

    return v ? posix(BLOCKING(v, false, true, SYS_getrandom, buf, n, flags, 0, 0, 0)) : REAL(getrandom)(buf, n, flags);
}
HOOK int getentropy(void *buf, size_t n)
{
    FORWARD(false, REAL(getentropy)(buf, n));
}
