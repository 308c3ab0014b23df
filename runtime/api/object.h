/* What the objects of the native API have in common: each says in a word of its own what it is, until it is freed.  Each function that
 * is handed one looks at it.
 *
 * What was freed is malloc's; the word is where malloc does not write, so it can mostly still be read there.  With VTHR_QUARANTINE=n
 * the last n that were freed are kept, so that each use of one is found. */
#pragma once
#include "runtime/base/atomic.h"
#include "runtime/base/compiler.h"

enum object_kind { /* as text in memory: chnl, ... */
    OBJECT_CHANNEL = 0x6c6e6863,
    OBJECT_EVENT = 0x746e7665,
    OBJECT_SEMAPHORE = 0x616d6573,
    OBJECT_SCOPE = 0x706f6373,
    OBJECT_TASK = 0x6b736174,
    OBJECT_MUTEX = 0x6874756d,
    OBJECT_CONDITION = 0x646e6f63,
    OBJECT_FREED = 0x64656572,
};

VTHR_BEGIN_DECLS
/* One line that names the object, and abort. */
void api_misuse(const char *what, const void *obj) VTHR_NORETURN;
void object_misused(const void *obj, uint32_t kind, enum object_kind wanted) VTHR_NORETURN;

/* kind: the object's word. */
static inline void object_check(const void *obj, const uint32_t *kind, enum object_kind wanted)
{
    uint32_t is = load_relaxed(kind);

    if (unlikely(is != (uint32_t)wanted))
        object_misused(obj, is, wanted);
}
/* No longer an object, its word says; nobody waits in it. */
void object_free(void *obj, uint32_t *kind);
/* Nothing is kept: memory may be used again at once. */
bool object_recycles(void);
VTHR_END_DECLS
