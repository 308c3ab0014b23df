/* x86_64: the frame that the kernel makes for a signal handler, moved to another stack.
 *
 * Protocol.  The kernel delivers on the carrier's own signal stack.  A handler that should run elsewhere is entered by
 * arch_handler_move: the frame (arch/x86/include/asm/sigframe.h: return address, ucontext, siginfo; the extended state above it) is
 * copied below the stack pointer given, the handler entered there as the kernel would have, and it returns by
 * rt_sigreturn on the copy.  From the moment the stack pointer has left the signal stack, that is free for the next signal: the
 * kernel tells by the stack pointer (sigaltstack(2)).
 *
 * rt_sigreturn also sets the alternate stack to uc_stack.  By then the vthread may be on another carrier, so
 * arch_frame_keep_altstack makes that the request that the kernel refuses (and it ignores the refusal: kernel/signal.c,
 * restore_altstack). */
#include "runtime/arch/context.h"
#include <string.h>
#include <ucontext.h>

#define RED_ZONE 128
#define KERNEL_UCONTEXT 304ul /* what the kernel makes of ucontext_t: without glibc's room for the state */
#define FRAME (8 + KERNEL_UCONTEXT + sizeof(siginfo_t))
#define FXSAVE_SIZE 512u
#define MAGIC1_AT 464 /* struct _fpx_sw_bytes: magic1, then the size of the extended state */
#define MAGIC1 0x46505853u
#define SS_REFUSED 0x40000000 /* no such flag: EINVAL */
_Static_assert(offsetof(ucontext_t, uc_sigmask) + 8 == KERNEL_UCONTEXT, "the kernel's struct ucontext");
_Static_assert(sizeof(siginfo_t) == 128, "the kernel's struct siginfo");

extern int arch_copy_try(void *to, const void *from, size_t n) __attribute__((visibility("hidden")));
extern const char arch_copy_begin[] __attribute__((visibility("hidden")));
extern const char arch_copy_end[] __attribute__((visibility("hidden")));
extern const char arch_copy_fault[] __attribute__((visibility("hidden")));
extern const char arch_sigreturn[] __attribute__((visibility("hidden")));
extern _Noreturn void arch_frame_enter(int sig, void *info, void *uc, void *frame, void (*fn)(int, siginfo_t *, void *))
    __attribute__((visibility("hidden")));

uintptr_t arch_frame_sp(const void *uc)
{
    return (uintptr_t)((const ucontext_t *)uc)->uc_mcontext.gregs[REG_RSP];
}

uintptr_t arch_frame_below(const void *uc)
{
    return arch_frame_sp(uc) - RED_ZONE;
}

void arch_frame_keep_altstack(void *uc)
{
    ((ucontext_t *)uc)->uc_stack.ss_flags = SS_REFUSED;
}

bool arch_copy_failed(void *uc)
{
    greg_t *pc = &((ucontext_t *)uc)->uc_mcontext.gregs[REG_RIP];

    if (*pc < (greg_t)arch_copy_begin || *pc >= (greg_t)arch_copy_end)
        return false;
    *pc = (greg_t)arch_copy_fault;
    return true;
}

static size_t state_size(const void *fp)
{
    uint32_t sw[2];

    if (!fp)
        return 0;
    memcpy(sw, (const char *)fp + MAGIC1_AT, sizeof sw);
    return sw[0] == MAGIC1 ? sw[1] : FXSAVE_SIZE;
}

void arch_handler_move(uintptr_t sp, int sig, siginfo_t *info, void *uc, void (*fn)(int, siginfo_t *, void *))
{
    ucontext_t *from = uc, *to;
    void *fp = from->uc_mcontext.fpregs;
    size_t fp_size = state_size(fp);
    uintptr_t fp_at = (sp - fp_size) & ~(uintptr_t)63;
    uintptr_t at = ((fp_at - FRAME) & ~(uintptr_t)15) - 8; /* as after a call */
    const void *restorer = arch_sigreturn;
    char *info_at = (char *)at + 8 + KERNEL_UCONTEXT;

    if (arch_copy_try((void *)fp_at, fp, fp_size) || arch_copy_try((void *)at, &restorer, 8) ||
        arch_copy_try((char *)at + 8, from, KERNEL_UCONTEXT) || arch_copy_try(info_at, info, sizeof *info))
        return;
    to = (ucontext_t *)(at + 8);
    if (fp)
        to->uc_mcontext.fpregs = (fpregset_t)fp_at;
    arch_frame_enter(sig, info_at, to, (void *)at, fn);
}
