/* What no error can be returned for: a line that names the object, and abort. */
#include "runtime/api/scope.h"
#include "runtime/base/panic.h"
#include <stdlib.h>

void api_misuse(const char *what, const void *obj)
{
    char hex[17];
    uintptr_t a = (uintptr_t)obj;

    for (int i = 15; i >= 0; i--, a >>= 4)
        hex[i] = "0123456789abcdef"[a & 15];
    hex[16] = 0;
    vthr_say(what, " (at 0x", hex, ")", NULL);
    abort();
}
