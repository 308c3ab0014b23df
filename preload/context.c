/* getcontext and its family save and restore the signal mask, which is virtual.
 *
 * libc's functions would take the kernel's, that of the OS thread, and set what a context says there.  So getcontext is ours
 * (x86_64/context.S: it returns to its caller twice), with the virtual mask in the context, where programs look at it and change it; and setcontext
 * sets the virtual mask and gives libc's a copy that has the carrier's.  swapcontext is the one and then the other.
 *
 * What makecontext made ends in a function of libc's, which calls libc's setcontext for uc_link: its address on the new stack is replaced
 * by that of one of ours when the context is set first. */
#include "preload/hook.h"
#include <stddef.h>
#include <string.h>
#include <sys/ucontext.h>
#include <ucontext.h>

/* x86_64/context.S */
_Static_assert(offsetof(ucontext_t, uc_mcontext.gregs[REG_R12]) == 72 && offsetof(ucontext_t, uc_mcontext.gregs[REG_RDI]) == 104 &&
                   offsetof(ucontext_t, uc_mcontext.gregs[REG_RBP]) == 120 && offsetof(ucontext_t, uc_mcontext.gregs[REG_RBX]) == 128 &&
                   offsetof(ucontext_t, uc_mcontext.gregs[REG_RSP]) == 160 && offsetof(ucontext_t, uc_mcontext.gregs[REG_RIP]) == 168 &&
                   offsetof(ucontext_t, uc_mcontext.fpregs) == 224 && offsetof(ucontext_t, __fpregs_mem) == 424,
               "the layout of ucontext_t");
extern void vthr_context_ended(void) VTHR_HIDDEN;

static bool saves(ucontext_t *u)
{
    struct vthread *v = vthr_self;

    if (!v || v->hooks_off)
        return false;
    memcpy(&u->uc_sigmask, &v->sigmask, sizeof v->sigmask);
    return true;
}

/* libc's function, which the caller jumps to; or NULL: the mask has been stored, and the caller stores the rest. */
__attribute__((used, visibility("hidden"))) void *vthr_getcontext(ucontext_t *u)
{
    return saves(u) ? NULL : (void *)REAL(getcontext);
}
__attribute__((used, visibility("hidden"))) void *vthr_swapcontext(ucontext_t *u)
{
    return saves(u) ? NULL : (void *)REAL(swapcontext);
}

static void nothing(void)
{
}

/* Where what makecontext made ends. */
static void *end_of_made(void)
{
    static void *end;
    uintptr_t stack[64];
    ucontext_t u;

    if (!load_acquire(&end)) {
        memset(&u, 0, sizeof u);
        u.uc_stack.ss_sp = stack;
        u.uc_stack.ss_size = sizeof stack;
        REAL(makecontext)(&u, nothing, 0);
        store_release(&end, *(void **)(uintptr_t)u.uc_mcontext.gregs[REG_RSP]);
    }
    return end;
}

HOOK int setcontext(const ucontext_t *u)
{
    struct vthread *v = vthr_self;
    uint64_t mask, carrier = KSIG_CARRIER_MASK;
    ucontext_t copy;
    void **top;

    if (!v || v->hooks_off)
        return REAL(setcontext)(u);
    memcpy(&copy, u, offsetof(ucontext_t, uc_sigmask) + sizeof mask); /* the kernel's contexts are no longer */
    copy.__fpregs_mem.mxcsr = u->uc_mcontext.fpregs->mxcsr;           /* libc's function looks for it there, whatever fpregs is */
    memcpy(&mask, &u->uc_sigmask, sizeof mask);
    memcpy(&copy.uc_sigmask, &carrier, sizeof carrier);
    top = (void **)(uintptr_t)copy.uc_mcontext.gregs[REG_RSP];
    if (*top == end_of_made())
        *top = (void *)vthr_context_ended;
    v->intr = v->cancellable = 0; /* as a jump: jump.c */
    v->sigwaiting = 0;
    signal_mask(v, SIG_SETMASK, &mask, NULL);
    return REAL(setcontext)(&copy);
}
