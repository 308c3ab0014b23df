/* See real.h. */
#include "runtime/base/real.h"
#include "runtime/base/panic.h"

struct vthr_real vthr_real;

static const char *const names[] = {
#define X(name) #name,
    VTHR_REAL_LIST(X)
#undef X
};


/* A lookup that finds ourselves would recurse for ever. */
static bool is_ours(const void *p)
{
    Dl_info here, there;

    return dladdr((const void *)(uintptr_t)&vthr_real_resolve, &here) && dladdr(p, &there) &&
           here.dli_fbase == there.dli_fbase;
}

void *vthr_real_resolve(enum vthr_real_index i)
{
    void **slot = (void **)&vthr_real + i;
    void *p = dlsym(RTLD_NEXT, names[i]);

    if (!p || is_ours(p)) {
        vthr_say(names[i], ": not found in libc: unsupported libc", NULL);
        vthr_panic("missing libc function");
    }
    store_relaxed(slot, p);
    return p;
}

void vthr_real_resolve_all(void)
{
    for (int i = 0; i < REAL_COUNT; i++)
        if (!((void **)&vthr_real)[i]) {
            /* A name that an older libc lacks is missed only by a program that calls it. */
            void *p = dlsym(RTLD_NEXT, names[i]);

            if (p && !is_ours(p))
                store_relaxed((void **)&vthr_real + i, p);
        }
}

void *vthr_real_symbol(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}
