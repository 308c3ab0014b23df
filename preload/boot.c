/* Loading, and running the library as a program. */
#include "preload/hook.h"
#include <stdio.h>
#include <stdlib.h>

/* Lets the kernel start libvthr.so itself. */
__attribute__((section(".interp"), used)) static const char interp[] = "/lib64/ld-linux-x86-64.so.2";

/* What crtbeginS.o would define: it identifies the library to atexit and pthread_atfork. */
VTHR_HIDDEN void *__dso_handle = &__dso_handle;

__attribute__((constructor(101))) static void boot(void)
{
    vthr_boot();
}

static void *touch(void *arg)
{
    return arg;
}

/* Entry point: no stack frame above, arguments on the stack that we do not need. */
__attribute__((noreturn, used, force_align_arg_pointer, visibility("default"))) void vthr_so_main(void)
{
    pthread_t th;
    void *back = NULL, *got = NULL;
    int ok;

    boot(); /* as the program itself, our constructors are left to the C start-up code that we lack */
    printf("libvthr %s, preload library for glibc: LD_PRELOAD=libvthr.so PROGRAM, or vthr PROGRAM\n", VTHR_VERSION);
    ok = vthr_activate();
    printf("switching the thread pointer: %s\n", arch_tp_describe());
    printf("activation: %s\n", ok ? "ok" : "failed");
    if (ok) {
        ok = pthread_create(&th, NULL, touch, &back) == 0 && pthread_join(th, &got) == 0 && got == &back;
        printf("a virtual thread: %s\n", ok ? "ok" : "failed");
        printf("carriers: %u\n", vthr_nprocs);
    }
    printf("self-check: %s\n", ok ? "ok" : "FAILED");
    exit(ok ? 0 : 1);
}
