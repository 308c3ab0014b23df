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
