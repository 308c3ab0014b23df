/* One-line messages, in the form "vthr: what: reason: remedy". */
#include "runtime/tool/tool.h"

#include <stdarg.h>

void vthr_tool_say(FILE *to, const char *format, ...)
{
    char line[4 * PATH_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    /* Bytes above ASCII stay: names may be UTF-8. */
    for (char *c = line; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    fprintf(to, "vthr: %s\n", line);
}
