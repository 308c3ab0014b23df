/* The thread pointer (FS base), set at every switch in one of three ways:
 *
 *   TP_INSTRUCTION  wrfsbase: the kernel says that it keeps what it sets (HWCAP2_FSGSBASE, Linux 5.9).
 *   TP_SYSCALL      arch_prctl(ARCH_SET_FS): always right, 0.2 us, and several us in some virtual machines.
 *   TP_TRAP         wrfsbase on a kernel that does not keep it, though the processor executes it (guests of hypervisors that
 *                   run user code on the host's control registers).  See below.
 *
 * TP_TRAP.  Such a kernel gives an OS thread, whenever it runs again after another one ran on its CPU, the FS base of the
 * thread's last arch_prctl (arch/x86/kernel/process_64.c, save_base_legacy), and never otherwise.  So each carrier tells the
 * kernel, once, a base in a region without access (its `trap`), and sets the real one by wrfsbase.  After a context switch the
 * next access to thread-local storage faults there; the handler of SIGSEGV (arch_fault_entry) sets the real base again, which
 * arch_switch always left in the word that GS points to (struct arch_thread), and the access is repeated.  A base is thus
 * either right or faults: a wrong one is never used.  The cost is one signal for each preemption; the runtime's own sleeps
 * mend the base themselves (arch_tp_mend).
 *
 * What must hold: SIGSEGV is never blocked while a carrier has its trap armed, or the kernel kills the process.  Signal masks of
 * vthreads are virtual; libc functions that block all signals for a while are bracketed by pins (sched/carrier.c), which
 * tell the kernel the real base; while pinned, arch_switch uses the system call.  pthread_create is also made to leave
 * SIGSEGV alone, for those who reach it past us (sigall.c).  fork and vfork children start with the
 * real base.
 *
 * Whether it works is tried out once (arch_trap_init), not deduced.  Not under a debugger, which would stop at every trap. */
#include "runtime/arch/context.h"
#include "runtime/arch/syscall.h"
#include "runtime/arch/valgrind.h"
#include "runtime/base/ksig.h"
#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>

#define SLOTS 32768u
#define SLOT_SIZE 4096ul
#define MARGIN (4ul << 20) /* static TLS lies below the base, the thread descriptor above */
#define HIDDEN __attribute__((visibility("hidden")))

enum tp_way { TP_SYSCALL = 0, TP_INSTRUCTION = 1, TP_TRAP = 2 };

/* Read by switch.S and tp.S. */
HIDDEN unsigned char arch_tp_way;
HIDDEN uintptr_t arch_trap_lo, arch_trap_size;
HIDDEN uint64_t arch_trap_count;
HIDDEN void (*arch_fault_next)(int, siginfo_t *, void *);
_Static_assert(offsetof(struct arch_thread, tp) == 0 && offsetof(struct arch_thread, pinned) == 8, "switch.S, tp.S");
_Static_assert(offsetof(struct arch_thread, fault_ip) == 24 && offsetof(struct arch_thread, fault_addr) == 32 &&
               offsetof(struct arch_thread, fault_count) == 40 &&
               offsetof(ucontext_t, uc_mcontext.gregs) + REG_RIP * sizeof(greg_t) == 168, "tp.S");

extern uintptr_t arch_tp_probe(uintptr_t tp, const struct timespec *t) HIDDEN;
extern void arch_tp_set_trap(uintptr_t trap, uintptr_t tp) HIDDEN;
extern const char arch_tp_probe_ill[] HIDDEN;
extern const char arch_sigreturn[] HIDDEN;

static bool possible;          /* arch_trap_init succeeded */
static uint32_t slots_used;    /* slots ever handed out */
static uint16_t free_slots[SLOTS]; /* a stack of those given back; caller's lock */
static uint32_t n_free;

void arch_tp_init(bool fsgsbase)
{
    arch_tp_way = fsgsbase ? TP_INSTRUCTION : TP_SYSCALL;
}

bool arch_tp_traps(void)
{
    return possible;
}

uint64_t arch_tp_trap_count(void)
{
    return __atomic_load_n(&arch_trap_count, __ATOMIC_RELAXED);
}

const char *arch_tp_describe(void)
{
    switch (arch_tp_way) {
    case TP_INSTRUCTION: return "wrfsbase (FSGSBASE)";
    case TP_TRAP: return "wrfsbase, mended by SIGSEGV after the kernel switched threads (no FSGSBASE in this kernel)";
    default: return "arch_prctl (no FSGSBASE), which is slow";
    }
}

/* --- Trying it out --- */

__attribute__((no_stack_protector)) static void on_ill(int sig, siginfo_t *info, void *uc)
{
    (void)sig;
    (void)info;
    ((ucontext_t *)uc)->uc_mcontext.gregs[REG_RIP] = (greg_t)arch_tp_probe_ill;
}

/* True when the instruction works and the kernel puts the base back that it knows, no other. */
static bool kernel_puts_back(void)
{
    struct ksig_action ours = { on_ill, SA_SIGINFO | SA_NODEFER | 0x04000000 /* SA_RESTORER */, arch_sigreturn, 0 }, old;
    struct timespec t = { 0, 1000 };
    uint64_t mask = ~(1ull << (SIGILL - 1)), was;
    uintptr_t known = 0, seen;

    if (arch_syscall6(SYS_arch_prctl, ARCH_GET_FS, (long)&known, 0, 0, 0, 0) < 0)
        return false;
    arch_syscall6(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, (long)&was, 8, 0, 0);
    arch_syscall6(SYS_rt_sigaction, SIGILL, (long)&ours, (long)&old, 8, 0, 0);
    seen = arch_tp_probe(arch_trap_lo + MARGIN, &t);
    arch_syscall6(SYS_rt_sigaction, SIGILL, (long)&old, 0, 8, 0, 0);
    arch_syscall6(SYS_rt_sigprocmask, SIG_SETMASK, (long)&was, 0, 8, 0, 0);
    return seen == known;
}

static bool is_traced(void)
{
    static const char key[] = "TracerPid:\t";
    char buf[1024], *at;
    long fd = arch_syscall6(SYS_openat, AT_FDCWD, (long)"/proc/self/status", O_RDONLY | O_CLOEXEC, 0, 0, 0), n;

    if (fd < 0)
        return true;
    n = arch_syscall6(SYS_read, fd, (long)buf, sizeof buf - 1, 0, 0, 0);
    arch_syscall6(SYS_close, fd, 0, 0, 0, 0, 0);
    buf[n > 0 ? n : 0] = 0;
    at = strstr(buf, key);
    return !at || at[sizeof key - 1] != '0';
}

bool arch_trap_init(void)
{
    long size = (long)(SLOTS * SLOT_SIZE + 2 * MARGIN), a;

    possible = false;
    if (arch_tp_way != TP_SYSCALL || is_traced() || arch_on_valgrind())
        return false;
    if (!arch_trap_lo) {
        a = arch_syscall6(SYS_mmap, 0, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (a < 0 && a >= -4095)
            return false;
        arch_trap_lo = (uintptr_t)a;
        arch_trap_size = (uintptr_t)size;
    }
    slots_used = n_free = 0;
    possible = kernel_puts_back();
    return possible;
}

void arch_trap_chain(void (*next)(int, siginfo_t *, void *))
{
    arch_fault_next = next;
}

void arch_trap_off(void)
{
    possible = false;
    if (arch_tp_way == TP_TRAP)
        arch_tp_way = TP_SYSCALL;
}

/* --- OS threads --- */

bool arch_thread_reserve(struct arch_thread *t)
{
    uint32_t slot;

    *t = (struct arch_thread){ 0 };
    if (!possible)
        return true;
    if (n_free)
        slot = free_slots[--n_free];
    else if (slots_used < SLOTS)
        slot = slots_used++;
    else
        return false;
    t->trap = arch_trap_lo + MARGIN + slot * SLOT_SIZE;
    return true;
}

void arch_thread_release(struct arch_thread *t)
{
    if (t->trap)
        free_slots[n_free++] = (uint16_t)((t->trap - arch_trap_lo - MARGIN) / SLOT_SIZE);
    t->trap = 0;
}

void arch_thread_begin(struct arch_thread *t)
{
    if (!t->trap)
        return;
    t->tp = (uintptr_t)arch_tp();
    arch_syscall6(SYS_arch_prctl, ARCH_SET_GS, (long)t, 0, 0, 0, 0);
    arch_tp_set_trap(t->trap, t->tp);
    arch_tp_way = TP_TRAP; /* by the first one, which is still the only one that switches */
}

void arch_tp_pin(struct arch_thread *t)
{
    if (t && t->tp && t->pinned++ == 0)
        arch_tp_tell(t->tp);
}

void arch_tp_unpin(struct arch_thread *t)
{
    if (t && t->tp && --t->pinned == 0)
        arch_tp_set_trap(t->trap, t->tp);
}

static void set(const struct arch_thread *t, uintptr_t tp)
{
    if (arch_tp_way == TP_SYSCALL || (arch_tp_way == TP_TRAP && t->pinned))
        arch_tp_tell(tp);
    else
        __asm__ volatile("wrfsbase %0" : : "r"(tp) : "memory");
}

void arch_tp_borrow(struct arch_thread *t, uintptr_t tp, struct arch_tp_loan *was)
{
    was->noted = t->tp;
    if (arch_tp_way == TP_SYSCALL)
        arch_syscall6(SYS_arch_prctl, ARCH_GET_FS, (long)&was->in_force, 0, 0, 0, 0);
    else
        __asm__ volatile("rdfsbase %0" : "=r"(was->in_force)); /* the trap's, if the kernel switched just now: that is as good */
    if (arch_tp_way == TP_TRAP)
        *(volatile uintptr_t *)&t->tp = tp; /* first, as in arch_switch */
    set(t, tp);
}

void arch_tp_return(struct arch_thread *t, const struct arch_tp_loan *was)
{
    if (arch_tp_way == TP_TRAP)
        *(volatile uintptr_t *)&t->tp = was->noted;
    set(t, was->in_force);
}

void arch_tp_tell(uintptr_t tp)
{
    arch_syscall6(SYS_arch_prctl, ARCH_SET_FS, (long)tp, 0, 0, 0, 0);
}
