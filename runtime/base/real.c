/* See real.h. */
#include "runtime/base/real.h"
#include "runtime/base/panic.h"
#include "runtime/base/symbol.h"
#include <stddef.h>

struct vthr_real vthr_real VTHR_EARLY_BSS;

/* Names and where each begins: no pointers, which would have to be relocated whenever a program starts. */
static const VTHR_EARLY_CONST struct names {
#define X(name) char name[sizeof #name];
    VTHR_REAL_LIST(X)
#undef X
} names = {
#define X(name) #name,
    VTHR_REAL_LIST(X)
#undef X
};
static const VTHR_EARLY_CONST uint16_t name_at[] = {
#define X(name) offsetof(struct names, name),
    VTHR_REAL_LIST(X)
#undef X
};

VTHR_EARLY void *vthr_real_resolve(enum vthr_real_index i)
{
    void **slot = (void **)&vthr_real + i;
    const char *name = (const char *)&names + name_at[i];
    void *p;

    if (i < REAL_COMMON_COUNT)
        symbols_next((const char *)&names, name_at, (void **)&vthr_real, REAL_COMMON_COUNT);
    p = *slot ? *slot : symbol_next(name);
    if (!p) {
        vthr_say(name, ": not found in libc: unsupported libc", NULL);
        vthr_panic("missing libc function");
    }
    store_relaxed(slot, p);
    return p;
}

void vthr_real_resolve_all(void)
{
    /* A name that an older libc lacks is missed only by a program that calls it. */
    symbols_next((const char *)&names, name_at, (void **)&vthr_real, REAL_COUNT);
}

void *vthr_real_symbol(const char *name)
{
    return symbol_next(name);
}
