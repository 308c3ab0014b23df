/* The switch: what a parked execution is, in two words.
 *
 * Protocol.  arch_switch saves the callee-saved registers and the two floating point control words on the
 * stack of the context it leaves, stores the stack pointer in *from, loads to->sp, makes to->tp the thread
 * pointer and returns on the new stack.  The saved frame, lowest address first:
 *     mxcsr:4 fcw:4 r15 r14 r13 r12 rbx rbp return-address        (x86_64)
 * so a debugger finds a parked context's registers at fixed offsets from ctx.sp (diag/debug.c exports them).
 * Between the change of stack and the change of thread pointer a signal handler sees the old thread's TLS on
 * the new thread's stack: both are "in the runtime" (vthread.in_rt), so our own handler does nothing there. */
#pragma once
#include "runtime/base/compiler.h"

struct arch_ctx {
    void *sp;     /* stack pointer of the saved frame */
    uintptr_t tp; /* thread pointer, constant for a context's life */
};

#define ARCH_FRAME_RIP 56 /* offset of the return address in the saved frame */
#define ARCH_FRAME_RBP 48
#define ARCH_FRAME_SIZE 64

VTHR_BEGIN_DECLS
/* Returns when some other context switches back to `from`, possibly on another OS thread. */
void arch_switch(struct arch_ctx *from, struct arch_ctx *to);

/* Makes ctx so that the first switch to it calls fn(arg) on the stack that ends (exclusively) at `top`.
 * fn must not return. */
void arch_ctx_make(struct arch_ctx *ctx, void *top, void *tp, void (*fn)(void *), void *arg);

/* Finds out how this kernel lets us set the thread pointer.  0, or -ENOSYS with *why set. */
int arch_init(const char **why);

/* See x86_64/blocking.S.  Returns the system call's value or -errno; -EINTR without calling if *flag is set. */
long arch_syscall_intr(const uint8_t *flag, long nr, long a, long b, long c, long d, long e, long f);
/* In a signal handler: if the interrupted code was about to make such a call, makes it return -EINTR instead. */
void arch_abort_syscall(void *ucontext);

/* Redirects a jump buffer that setjmp filled so that longjmp to it calls fn, on the frame that called setjmp.
 * Used for the base cancellation buffer of main.  `buf` is glibc's __jmp_buf. */
void arch_jmpbuf_redirect(void *buf, void (*fn)(void));
VTHR_END_DECLS
