/* x86_64: see arch/unwind.h. */
#include "runtime/arch/unwind.h"
#include <string.h>
#include <ucontext.h>

_Static_assert(offsetof(ucontext_t, uc_mcontext) + sizeof(gregset_t) <= ARCH_CONTEXT_BYTES, "a context's registers");

void arch_context_regs(const void *uc, uintptr_t reg[ARCH_DWARF_REGS])
{
    static const uint8_t column[ARCH_DWARF_REGS] = { REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8,
                                                     REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP };
    const greg_t *g = ((const ucontext_t *)uc)->uc_mcontext.gregs;

    for (int i = 0; i < ARCH_DWARF_REGS; i++)
        reg[i] = (uintptr_t)g[column[i]];
}

bool arch_is_sigreturn(const unsigned char code[ARCH_CODE_BYTES])
{
    static const unsigned char want[] = { 0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05 }; /* mov $15, %rax; syscall */

    return memcmp(code, want, sizeof want) == 0;
}

/* e8: call near; ff /2: call by register or memory, 2 to 7 bytes long. */
bool arch_is_call(const unsigned char code[ARCH_CODE_BYTES])
{
    if (code[ARCH_CODE_BYTES - 5] == 0xe8)
        return true;
    for (int n = 2; n <= 7; n++)
        if (code[ARCH_CODE_BYTES - n] == 0xff && (code[ARCH_CODE_BYTES - n + 1] & 0x38) == 0x10)
            return true;
    return false;
}
