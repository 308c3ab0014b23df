/* Registers of a stopped OS thread, as ptrace gives them, for those who unwind its stack from outside.
 *
 * ARCH_ELF_MACHINE, and ARCH_USER_REGS_FIXED, which completes the registers of a context that runs nowhere, are for core files.
 * ARCH_USER_REGS lists X(member of struct user_regs_struct, DWARF number). */
#pragma once
#include <sys/user.h>

#define ARCH_DWARF_REGS 17 /* numbers below this; the last is the instruction pointer */

#if defined(__x86_64__)
#define ARCH_USER_REGS(X) \
    X(rax, 0)             \
    X(rdx, 1)             \
    X(rcx, 2)             \
    X(rbx, 3)             \
    X(rsi, 4)             \
    X(rdi, 5)             \
    X(rbp, 6)             \
    X(rsp, 7)             \
    X(r8, 8)              \
    X(r9, 9)              \
    X(r10, 10)            \
    X(r11, 11)            \
    X(r12, 12)            \
    X(r13, 13)            \
    X(r14, 14)            \
    X(r15, 15)            \
    X(rip, 16)

#define ARCH_ELF_MACHINE EM_X86_64
/* The segments and flags of the program's code. */
#define ARCH_USER_REGS_FIXED(regs, tp) \
    ((regs).cs = 0x33, (regs).ss = 0x2b, (regs).eflags = 0x202, (regs).orig_rax = ~0ul, (regs).fs_base = (tp))
#else
#error "libvthr: unsupported architecture"
#endif
