/* What walking a stack needs to know of the processor: DWARF's numbers of its registers, and the frame of a signal. */
#pragma once
#include "runtime/base/compiler.h"

#if defined(__x86_64__)
#define ARCH_DWARF_REGS 17 /* columns; the last one is the return address */
#define ARCH_DWARF_FP 6
#define ARCH_DWARF_SP 7
#define ARCH_DWARF_PC 16
#else
#error "libvthr: unsupported architecture"
#endif
#define ARCH_CODE_BYTES 16     /* as many as the functions below look at */
#define ARCH_CONTEXT_BYTES 256 /* of a ucontext_t: what arch_context_regs reads */

VTHR_BEGIN_DECLS
/* The registers in a ucontext_t, by their DWARF numbers. */
void arch_context_regs(const void *uc, uintptr_t reg[ARCH_DWARF_REGS]);
/* The code at a program counter is the return from a signal handler: then the stack pointer is the address of the ucontext. */
bool arch_is_sigreturn(const unsigned char code[ARCH_CODE_BYTES]);
/* The code before a program counter, which is the end of `code`, may be a call that returns there. */
bool arch_is_call(const unsigned char code[ARCH_CODE_BYTES]);
VTHR_END_DECLS
