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
#include <signal.h>

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

/* What the switch needs to know of an OS thread, where the kernel does not keep a thread pointer that a program sets itself
 * (x86_64/tp.c has the protocol).  All of this does nothing elsewhere. */
struct arch_thread {
    uintptr_t tp;    /* thread pointer that belongs here now; written by arch_switch; 0: not begun */
    uint32_t pinned; /* > 0: the kernel knows it too */
    uint32_t pad;
    uintptr_t trap;  /* what the kernel knows otherwise; 0: not in use */
    uintptr_t fault_ip, fault_addr; /* the last fault in the region, and */
    uint32_t fault_count; /* how many at that very place were no trap (x86_64/tp.S) */
};
/* Tries out whether the method works here; false: not, or not needed.  While it is in use SIGSEGV must never be blocked, and its
 * handler is arch_fault_entry, which passes faults of the program's own to what arch_trap_chain was given. */
bool arch_trap_init(void);
/* Makes libc's pthread_create leave SIGSEGV unblocked (x86_64/sigall.c).  False: it was not recognised. */
bool arch_unblock_fault(void *pthread_create);
/* Makes a function of libc's that consists of the futex call `op` jump to another one.  False: it was not recognised. */
bool arch_redirect_futex(void *function, int op, void *to);
void arch_trap_chain(void (*next)(int, siginfo_t *, void *));
void arch_fault_entry(int sig, siginfo_t *info, void *ucontext) __attribute__((visibility("hidden")));
bool arch_tp_traps(void);
uint64_t arch_tp_trap_count(void);
/* How this process sets the thread pointer, in words. */
const char *arch_tp_describe(void);
/* The region that traps lie in, for debuggers: both 0 where there is none. */
extern uintptr_t arch_trap_lo __attribute__((visibility("hidden")));
extern uintptr_t arch_trap_size __attribute__((visibility("hidden")));
void arch_trap_off(void);
/* Before an OS thread is started, and after its end; callers serialise these two.  False: too many OS threads. */
bool arch_thread_reserve(struct arch_thread *t);
void arch_thread_release(struct arch_thread *t);
/* On the OS thread itself: from here on it switches contexts. */
void arch_thread_begin(struct arch_thread *t);
/* Around code that blocks SIGSEGV on this OS thread.  Nests.  t == NULL: not one of ours. */
void arch_tp_pin(struct arch_thread *t);
void arch_tp_unpin(struct arch_thread *t);
/* Makes tp the thread pointer of this OS thread, t, and puts back what was in force, without a switch of stacks.  Between the two nothing may
 * switch.  For signal handlers too, at any instant. */
struct arch_tp_loan {
    uintptr_t in_force, noted;
};
void arch_tp_borrow(struct arch_thread *t, uintptr_t tp, struct arch_tp_loan *was);
void arch_tp_return(struct arch_thread *t, const struct arch_tp_loan *was);
/* Tells the kernel the thread pointer in force: for children of fork and vfork. */
void arch_tp_tell(uintptr_t tp);
void arch_tp_init(bool fsgsbase);

/* Finds out how this kernel lets us set the thread pointer.  0, or -ENOSYS with *why set. */
int arch_init(const char **why);

/* See x86_64/blocking.S.  Returns the system call's value or -errno; -EINTR without calling if *flag is set. */
long arch_syscall_intr(const uint8_t *flag, long nr, long a, long b, long c, long d, long e, long f);
/* In a signal handler: if the interrupted code was about to make such a call, makes it return -EINTR instead. */
void arch_abort_syscall(void *ucontext);
/* In a signal handler: if the kernel is going to restart the system call that the signal interrupted, and it is one that signals
 * end (signal(7)), makes it return -EINTR instead. */
void arch_end_syscall(void *ucontext);

/* Signal frames (x86_64/frame.c); uc is a handler's third argument.
 * The stack pointer of the interrupted code, and the highest address below it that a handler may use. */
uintptr_t arch_frame_sp(const void *uc);
uintptr_t arch_frame_below(const void *uc);
/* From a handler that runs on a stack of ours: goes on as fn(sig, info, uc) on the stack that ends at sp, from a copy of the frame.
 * Returns only if there is no memory at sp. */
void arch_handler_move(uintptr_t sp, int sig, siginfo_t *info, void *uc, void (*fn)(int, siginfo_t *, void *));
/* In the handler of SIGSEGV and SIGBUS, first: true if that was arch_handler_move's, which is dealt with. */
bool arch_copy_failed(void *uc);
/* The return from this frame leaves the OS thread's alternate signal stack as it is then. */
void arch_frame_keep_altstack(void *uc);
/* fn(arg) on the stack that ends at sp. */
void arch_call_on(uintptr_t sp, void (*fn)(void *), void *arg) __attribute__((visibility("hidden")));

/* Redirects a jump buffer that setjmp filled so that longjmp to it calls fn, on the frame that called setjmp.
 * Used for the base cancellation buffer of main.  `buf` is glibc's __jmp_buf. */
void arch_jmpbuf_redirect(void *buf, void (*fn)(void));
VTHR_END_DECLS
