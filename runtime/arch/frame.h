/* The frame that arch_switch leaves on a parked stack, register by register, for those who read it from outside.
 *
 * ARCH_FRAME_REGS lists X(name, offset, DWARF number): names are the debugger's.  The stack pointer is not in it: after the
 * switch it is ctx.sp + ARCH_FRAME_SIZE.  The truth is switch.S; tests/gdb checks the one against the other. */
#pragma once
#include "runtime/arch/context.h"

#if defined(__x86_64__)
#define ARCH_FRAME_SP_NAME "rsp"
#define ARCH_FRAME_SP_DWARF 7
#define ARCH_FRAME_TP_NAME "fs_base"
#define ARCH_FRAME_REGS(X)        \
    X("r15", 8, 15)               \
    X("r14", 16, 14)              \
    X("r13", 24, 13)              \
    X("r12", 32, 12)              \
    X("rbx", 40, 3)               \
    X("rbp", ARCH_FRAME_RBP, 6)   \
    X("rip", ARCH_FRAME_RIP, 16)
#else
#error "libvthr: unsupported architecture"
#endif
