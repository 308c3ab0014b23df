// For tests of names: what each call returns, and errno, goes to the standard output, which must be the same under the shim.
#ifndef SHOW_H
#define SHOW_H

#include "check.h"

#define SHOW(expr)                                                                                 \
    do {                                                                                           \
        errno = 0;                                                                                 \
        long show_got_ = (long)(expr);                                                             \
        printf("%s: %ld %s\n", #expr, show_got_, show_got_ == -1 ? strerror(errno) : "");          \
    } while (0)

// A name that libc exports for old programs only, under which new ones cannot be linked.
#define OLD_NAME(type, ours, name, args)                                                           \
    __asm__(".symver " #ours ", " #name "@GLIBC_2.2.5");                                           \
    extern type ours args

#endif
