/* Opening and closing streams.  What they read and write parks inside libc: see runtime/io/stdio.c. */
#include "preload/hook.h"
#include <stdio.h>

/* libc opens the descriptor by itself.  It can wait for a FIFO's other end, or for a disk. */
static FILE *opened(FILE *f)
{
    if (f && vthr_active)
        fd_fresh(fileno(f));
    return f;
}
HOOK FILE *fopen(const char *restrict path, const char *restrict mode)
{
    struct vthread *v = vthr_parkable();

    return v ? opened(ANNOUNCED(v, false, REAL(fopen)(path, mode))) : REAL(fopen)(path, mode);
}
HOOK FILE *fopen64(const char *restrict path, const char *restrict mode)
{
    struct vthread *v = vthr_parkable();

    return v ? opened(ANNOUNCED(v, false, REAL(fopen64)(path, mode))) : REAL(fopen64)(path, mode);
}
/* Not announced: it has the old stream written first, which parks.  The old number gets the new file, by libc's own dup. */
#define REOPEN(path, mode, f, real)             \
    ({                                          \
        int old_ = (f)->_fileno;                \
        FILE *r_ = opened(real(path, mode, f)); \
        if (vthr_active && old_ >= 0)           \
            fd_fresh(old_);                     \
        r_;                                     \
    })
HOOK FILE *freopen(const char *restrict path, const char *restrict mode, FILE *restrict f)
{
    return REOPEN(path, mode, f, REAL(freopen));
}
HOOK FILE *freopen64(const char *restrict path, const char *restrict mode, FILE *restrict f)
{
    return REOPEN(path, mode, f, REAL(freopen64));
}

/* Where streams are not redirected: all of it is one announced call.  sure: it waits for a child. */
static int close_announced(struct vthread *v, FILE *f, bool sure, int (*real)(FILE *))
{
    int fd = fileno(f), r;

    if (fd >= 0) {
        fd_close_begin(fd);
        fd_close_end(fd); /* the number may be in use again before the call ends */
    }
    r = ANNOUNCED(v, sure, real(f));
    return r;
}
HOOK int fclose(FILE *f)
{
    struct vthread *v = vthr_parkable();

    return v && f && !stdio_redirected() ? close_announced(v, f, false, REAL(fclose)) : REAL(fclose)(f);
}
HOOK int pclose(FILE *f)
{
    struct vthread *v = vthr_parkable();

    return v && f && !stdio_redirected() ? close_announced(v, f, true, REAL(pclose)) : REAL(pclose)(f);
}
