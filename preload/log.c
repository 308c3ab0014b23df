/* syslog: a message to a socket that may be full, under a lock of libc's. */
#include "preload/hook.h"
#include <stdarg.h>

/* A void function's ANNOUNCED. */
#define ANNOUNCED_VOID(v, call) (void)ANNOUNCED(v, false, ((call), 0))

HOOK void vsyslog(int prio, const char *fmt, va_list ap)
{
    struct vthread *v = vthr_parkable();

    if (v)
        ANNOUNCED_VOID(v, REAL(vsyslog)(prio, fmt, ap));
    else
        REAL(vsyslog)(prio, fmt, ap);
}
HOOK void syslog(int prio, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsyslog(prio, fmt, ap);
    va_end(ap);
}
HOOK void __vsyslog_chk(int prio, int flag, const char *fmt, va_list ap)
{
    struct vthread *v = vthr_parkable();

    if (v)
        ANNOUNCED_VOID(v, REAL(__vsyslog_chk)(prio, flag, fmt, ap));
    else
        REAL(__vsyslog_chk)(prio, flag, fmt, ap);
}
HOOK void __syslog_chk(int prio, int flag, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    __vsyslog_chk(prio, flag, fmt, ap);
    va_end(ap);
}
