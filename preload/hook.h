/* What every file of wrappers shares.
 *
 * How to add a wrapper:
 *   1. If the real function is needed, add its name to VTHR_REAL_LIST (runtime/base/real.h).
 *   2. Write `HOOK type name(args)` in the file of its family: one line for a process without threads or a caller that cannot
 *      park (`vthr_parkable()` is NULL), one for the runtime's function.  Logic belongs in runtime/.
 *   3. Runtime functions return -errno; `posix()` turns that into -1 and errno.
 *   4. A call that blocks and cannot park is wrapped in ANNOUNCED.
 *   5. Names with two symbol versions in libc get both: see pthread_cond.c and exports.map.
 *   6. Add the fortified (__*_chk) and 64-bit names, a test under tests/preload/, and a row in docs/compatibility.md. */
#pragma once
#include "runtime/base/real.h"
#include "runtime/runtime.h"
#include <errno.h>

#define HOOK VTHR_EXPORT
#define ALIAS(name) __attribute__((visibility("default"), alias(#name), copy(name)))

static inline long posix(long r)
{
    if (unlikely(r < 0)) {
        errno = (int)-r;
        return -1;
    }
    return r;
}

/* Calls `expr` (which returns -1 and sets errno) as an announced blocking call of vthread v.
 * sure: see block_begin.  restart: a handler with SA_RESTART does not end it (signal(7)). */
#define ANNOUNCED(v, sure, restart, expr)                                   \
    ({                                                                      \
        __typeof__(expr) r_;                                                \
        for (;;) {                                                          \
            int e_;                                                         \
            (v)->sig_eintr = (v)->sig_ran = 0;                              \
            block_begin((v), (sure));                                       \
            r_ = (expr);                                                    \
            e_ = errno;                                                     \
            block_end(v);                                                   \
            errno = e_;                                                     \
            if ((long)r_ != -1 || e_ != EINTR)                              \
                break;                                                      \
            cancel_point(v);                                                \
            errno = e_;                                                     \
            if ((restart) ? (v)->sig_eintr : (v)->sig_ran)                  \
                break;                                                      \
        }                                                                   \
        r_;                                                                 \
    })

/* The same for calls with other ways to report errors: no retry. */
#define ANNOUNCED_ONCE(v, sure, expr) \
    ({                                \
        __typeof__(expr) r_;          \
        int e_;                       \
        block_begin((v), (sure));     \
        r_ = (expr);                  \
        e_ = errno;                   \
        block_end(v);                 \
        errno = e_;                   \
        r_;                           \
    })

extern void __chk_fail(void) VTHR_NORETURN; /* libc: reports an overflow that _FORTIFY_SOURCE found */
