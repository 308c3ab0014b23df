/* Raw system calls: no errno, no cancellation, no libc symbol that a preload could replace.
 * Returns the value or -errno. */
#pragma once

static inline long arch_syscall6(long nr, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long ret;
    __asm__ volatile("syscall"
                     : "=a"(ret)
                     : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return ret;
}
/* On a carrier, after a system call that slept or woke somebody: sparing the trap that would follow (tp.c).  Reading the base costs
 * 1 ns, writing it 16. */
extern unsigned char arch_tp_way __attribute__((visibility("hidden")));
static inline void arch_tp_mend(void)
{
    unsigned long tp, is;

    if (__builtin_expect(arch_tp_way != 2, 1))
        return;
    __asm__ volatile("movq %%gs:0, %0\n\trdfsbase %1" : "=r"(tp), "=r"(is) : : "memory");
    if (is != tp)
        __asm__ volatile("wrfsbase %0" : : "r"(tp) : "memory");
}
/* A counter that all CPUs count alike, as fast as it gets. */
static inline unsigned long arch_ticks(void)
{
    return __builtin_ia32_rdtsc();
}
static inline void arch_cpu_relax(void)
{
    __asm__ volatile("pause" ::: "memory");
}
/* The thread pointer: where pthread_self() and every __thread variable hang. */
static inline void *arch_tp(void)
{
    void *tp;
    __asm__("movq %%fs:16, %0" : "=r"(tp));
    return tp;
}
