/* syscall(2) as a blocking interface: futexes and thread numbers. */
#include "preload/hook.h"
#include <stdarg.h>

HOOK long syscall(long nr, ...)
{
    long a[6], r;
    va_list ap;

    va_start(ap, nr);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(ap, long);
    va_end(ap);
    if (vthr_active) {
        struct vthread *v = vthr_self;

        switch (nr) {
        case SYS_futex:
            if (futex_call((uint32_t *)a[0], (int)a[1], (uint32_t)a[2], (const struct timespec *)a[3], (uint32_t *)a[4],
                           (uint32_t)a[5], &r))
                return posix(r);
            break;
        case SYS_gettid:
        case SYS_set_tid_address: /* what it would set belongs to the OS thread; the answer is the caller's number */
            if (v)
                return v->tid;
            break;
        case SYS_tgkill:
            return tgkill((pid_t)a[0], (pid_t)a[1], (int)a[2]);
        }
    }
    return REAL(syscall)(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}
