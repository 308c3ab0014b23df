#include "runtime/base/panic.h"
#include "runtime/base/sys.h"
#include <stdarg.h>
#include <string.h>

char *vthr_utoa(uint64_t v, char *buf)
{
    char tmp[21];
    int i = 0, n = 0;

    do
        tmp[i++] = (char)('0' + v % 10);
    while (v /= 10);
    while (i > 0)
        buf[n++] = tmp[--i];
    buf[n] = 0;
    return buf;
}

void vthr_say(const char *part, ...)
{
    char line[512] = "vthr: ";
    size_t n = 6;
    va_list ap;

    va_start(ap, part);
    for (; part; part = va_arg(ap, const char *)) {
        size_t len = strlen(part);

        if (len > sizeof line - 1 - n)
            len = sizeof line - 1 - n;
        memcpy(line + n, part, len);
        n += len;
    }
    va_end(ap);
    line[n++] = '\n';
    SYS3(SYS_write, 2, line, n);
}

void vthr_panic(const char *what)
{
    vthr_say("internal error: ", what, NULL);
    __builtin_trap();
}
