/* dlopen: see x86_64/dlopen.S. */
#include "preload/hook.h"

/* Called by the assembly: the function to jump to. */
__attribute__((used, visibility("hidden"))) void *vthr_real_dlopen(void)
{
    return (void *)REAL(dlopen);
}
__attribute__((used, visibility("hidden"))) void *vthr_real_dlmopen(void)
{
    return (void *)REAL(dlmopen);
}
