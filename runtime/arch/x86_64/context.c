/* x86_64: making contexts.  The switch itself is switch.S. */
#include "runtime/arch/context.h"
#include "runtime/arch/syscall.h"
#include <asm/prctl.h>
#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <ucontext.h>

#define HWCAP2_FSGSBASE_BIT (1ul << 1)
#define ARCH_SHSTK_STATUS_ 0x5005 /* asm/prctl.h of newer kernels: ARCH_SHSTK_STATUS */
#define JB_PC 7                   /* index of the mangled program counter in glibc's __jmp_buf */

extern void arch_entry(void) __attribute__((visibility("hidden")));
extern void arch_jmp_landing(void) __attribute__((visibility("hidden")));
__attribute__((visibility("hidden"))) void (*arch_jmp_target)(void);

int arch_init(const char **why)
{
    unsigned long features = 0;

    arch_tp_init((getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE_BIT) != 0);
    /* A shadow stack would have to be switched too; ours would fault at the first return. */
    if (arch_syscall6(SYS_arch_prctl, ARCH_SHSTK_STATUS_, (long)&features, 0, 0, 0, 0) == 0 && (features & 1)) {
        *why = "shadow stacks (CET) are enabled: run with GLIBC_TUNABLES=glibc.cpu.x86_shstk=off";
        return -ENOSYS;
    }
    return 0;
}

void arch_ctx_make(struct arch_ctx *ctx, void *top, void *tp, void (*fn)(void *), void *arg)
{
    /* arch_entry must find rsp 16-byte aligned, as if before a call. */
    uintptr_t sp = ((uintptr_t)top & ~(uintptr_t)15) - ARCH_FRAME_SIZE;
    uint64_t *f = (uint64_t *)sp;
    uint32_t mxcsr;
    uint16_t fcw;

    memset(f, 0, ARCH_FRAME_SIZE);
    /* A thread inherits the floating-point environment of its creator. */
    __asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(fcw));
    f[0] = mxcsr | ((uint64_t)fcw << 32);
    f[4] = (uint64_t)arg;          /* r12 */
    f[5] = (uint64_t)fn;           /* rbx */
    f[7] = (uint64_t)&arch_entry + 1; /* return address: unwinders look one byte before it up */
    ctx->sp = f;
    ctx->tp = (uintptr_t)tp;
}

extern const char arch_intr_begin[] __attribute__((visibility("hidden")));
extern const char arch_intr_end[] __attribute__((visibility("hidden")));
extern const char arch_intr_abort[] __attribute__((visibility("hidden")));

void arch_abort_syscall(void *ucontext)
{
    greg_t *pc = &((ucontext_t *)ucontext)->uc_mcontext.gregs[REG_RIP];

    if (*pc >= (greg_t)arch_intr_begin && *pc < (greg_t)arch_intr_end)
        *pc = (greg_t)arch_intr_abort;
}

/* Those that signal(7) lists as restarted by SA_RESTART, and that libc makes by itself. */
static bool ends_by_signal(long nr)
{
    switch (nr) {
    case SYS_read: case SYS_readv: case SYS_write: case SYS_writev: case SYS_ioctl: case SYS_open: case SYS_openat:
    case SYS_wait4: case SYS_waitid: case SYS_accept: case SYS_accept4: case SYS_connect: case SYS_recvfrom: case SYS_recvmsg:
    case SYS_recvmmsg: case SYS_sendto: case SYS_sendmsg: case SYS_sendmmsg: case SYS_flock: case SYS_fcntl: case SYS_futex:
    case SYS_mq_timedreceive: case SYS_mq_timedsend: case SYS_getrandom:
        return true;
    default:
        return false;
    }
}

/* A call that is to be restarted: the program counter is back at the instruction, rax has its number again, and rcx is as the
 * instruction left it, the address after it. */
void arch_end_syscall(void *ucontext)
{
    greg_t *g = ((ucontext_t *)ucontext)->uc_mcontext.gregs;
    const unsigned char *pc = (const unsigned char *)g[REG_RIP];

    if (g[REG_RCX] != g[REG_RIP] + 2 || !ends_by_signal(g[REG_RAX]) || pc[0] != 0x0f || pc[1] != 0x05)
        return;
    g[REG_RAX] = -EINTR;
    g[REG_RIP] += 2;
}

/* glibc mangles jump buffers with the pointer guard at %fs:0x30 (sysdeps/unix/sysv/linux/x86_64/pointer_guard.h). */
void arch_jmpbuf_redirect(void *buf, void (*fn)(void))
{
    uint64_t guard, v = (uint64_t)&arch_jmp_landing;

    __asm__("movq %%fs:0x30, %0" : "=r"(guard));
    v ^= guard;
    ((uint64_t *)buf)[JB_PC] = (v << 17) | (v >> 47);
    arch_jmp_target = fn;
}
