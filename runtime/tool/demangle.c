/* See demangle.h.  The C++ library's own function does it: a program with such names has brought that library, and vthr loads it only then. */
#include "runtime/tool/demangle.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LIBRARY "libstdc++.so.6"

static char *(*cxa_demangle)(const char *name, char *buf, size_t *size, int *status);

static bool look_up(void)
{
    static bool tried;
    void *handle, *f;

    if (tried)
        return cxa_demangle != NULL;
    tried = true;
    handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    f = handle ? dlsym(handle, "__cxa_demangle") : NULL;
    memcpy(&cxa_demangle, &f, sizeof f);
    return f != NULL;
}

char *demangle(const char *name)
{
    size_t n = strcspn(name, "@"); /* without a version */
    char *mangled, *plain = NULL;
    int status;

    if (strncmp(name, "_Z", 2) != 0 || !look_up())
        return NULL;
    mangled = strndup(name, n);
    if (mangled)
        plain = cxa_demangle(mangled, NULL, NULL, &status);
    free(mangled);
    return plain;
}
