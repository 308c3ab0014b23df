/* libc's "all signals" set without SIGSEGV, for arch/x86_64/tp.c.
 *
 * pthread_create blocks all signals around its clone call.  Those who call it through us are pinned (sched/carrier.c); a library that
 * found libc's function behind us (an allocator that starts a thread for itself by dlsym(RTLD_NEXT)) is not, and would be
 * killed if the kernel ran another thread meanwhile.  So the one instruction that loads the set's address,
 *     lea set(%rip), %rsi ... mov $SYS_rt_sigprocmask, %eax ... syscall
 * is made to load the address of a set of ours.  It is recognised by these bytes and by what it points to, or left alone. */
#include "runtime/arch/context.h"
#include "runtime/arch/syscall.h"
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define SEARCH 4096
#define NEAR 24 /* bytes between the parts of the sequence */
#define PAGE 4096ul

static const uint64_t all = ~0ull, all_but_segv = ~(1ull << (SIGSEGV - 1));

static bool near(const unsigned char *at, long from, long to, const char *bytes, size_t n)
{
    for (long i = from; i <= to; i++)
        if (memcmp(at + i, bytes, n) == 0)
            return true;
    return false;
}

static const unsigned char *target(const unsigned char *lea)
{
    int32_t disp;

    memcpy(&disp, lea + 3, 4);
    return lea + 7 + disp;
}

static bool loads_full_set(const unsigned char *lea)
{
    return memcmp(lea, "\x48\x8d\x35", 3) == 0 && near(lea, -NEAR, NEAR, "\xb8\x0e\x00\x00\x00", 5) &&
           near(lea, 7, 7 + NEAR, "\x0f\x05", 2) &&
           (memcmp(target(lea), &all, 8) == 0 || memcmp(target(lea), &all_but_segv, 8) == 0);
}

/* In a page of its own: mappings lie near libraries, our own data need not. */
static const char *near_set(void)
{
    long a = arch_syscall6(SYS_mmap, 0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (a < 0 && a >= -4095)
        return NULL;
    memcpy((void *)a, &all_but_segv, 8);
    arch_syscall6(SYS_mprotect, a, PAGE, PROT_READ, 0, 0, 0);
    return (const char *)a;
}

static bool redirect(unsigned char *lea)
{
    const char *set = near_set();
    intptr_t disp = set - (const char *)(lea + 7);
    uintptr_t lo = (uintptr_t)lea & ~(PAGE - 1), hi = ((uintptr_t)lea + 7 + PAGE - 1) & ~(PAGE - 1);
    int32_t short_disp = (int32_t)disp;

    if (!set || disp != short_disp)
        return false;
    /* Executable all the while: another thread may be in this page. */
    if (arch_syscall6(SYS_mprotect, (long)lo, (long)(hi - lo), PROT_READ | PROT_WRITE | PROT_EXEC, 0, 0, 0) < 0)
        return false;
    memcpy(lea + 3, &short_disp, 4);
    arch_syscall6(SYS_mprotect, (long)lo, (long)(hi - lo), PROT_READ | PROT_EXEC, 0, 0, 0);
    return true;
}

bool arch_unblock_fault(void *function)
{
    unsigned char *p = function;

    if (!p)
        return false;
    for (unsigned char *at = p + NEAR; at < p + SEARCH - NEAR; at++)
        if (loads_full_set(at))
            return memcmp(target(at), &all_but_segv, 8) == 0 || redirect(at);
    return false;
}
