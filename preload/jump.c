/* sigsetjmp and siglongjmp save and restore the signal mask, which is virtual.
 *
 * libc stores the kernel's mask in the first word of the buffer's sigset_t and leaves the rest: the virtual mask and a mark go into the
 * next two words.  A jump restores the virtual mask and lets libc restore the carrier's.  A buffer made before the
 * runtime was active has no mark: its kernel mask was the virtual one. */
#include "preload/hook.h"
#include <setjmp.h>

#define MARK 0x7674687273696773ul

/* Called by x86_64/sigsetjmp.S; returns where to jump. */
__attribute__((used, visibility("hidden"))) void *vthr_note_mask(struct __jmp_buf_tag *env, int savemask)
{
    struct vthread *v = vthr_self;

    if (savemask && v && !v->hooks_off) {
        env->__saved_mask.__val[1] = v->sigmask;
        env->__saved_mask.__val[2] = MARK;
    } else if (savemask) {
        env->__saved_mask.__val[2] = 0;
    }
    return (void *)REAL(__sigsetjmp);
}

static void restore_mask(struct __jmp_buf_tag *env)
{
    struct vthread *v = vthr_self;
    uint64_t mask;

    if (!v || v->hooks_off)
        return;
    v->intr = v->cancellable = 0; /* a jump out of a handler leaves the call behind that it interrupted */
    v->sigwaiting = 0;
    if (!env->__mask_was_saved)
        return;
    mask = env->__saved_mask.__val[2] == MARK ? env->__saved_mask.__val[1] : env->__saved_mask.__val[0];
    env->__saved_mask.__val[0] = KSIG_CARRIER_MASK;
    env->__saved_mask.__val[1] = mask;
    env->__saved_mask.__val[2] = MARK;
    signal_mask(v, SIG_SETMASK, &mask, NULL);
}

HOOK void siglongjmp(sigjmp_buf env, int val)
{
    restore_mask(env);
    REAL(siglongjmp)(env, val);
    __builtin_unreachable();
}
HOOK void longjmp(jmp_buf env, int val)
{
    siglongjmp(env, val);
}
HOOK void _longjmp(jmp_buf env, int val)
{
    siglongjmp(env, val);
}
HOOK void __longjmp_chk(sigjmp_buf env, int val) VTHR_NORETURN;
HOOK void __longjmp_chk(sigjmp_buf env, int val)
{
    restore_mask(env);
    REAL(__longjmp_chk)(env, val);
    __builtin_unreachable();
}
