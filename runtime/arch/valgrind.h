/* What Valgrind must know: that a change of the stack pointer from one vthread's stack to another's is no call and no return.  It guesses,
 * by the distance: of small stacks, which lie beside each other, it would take one's frames for gone while the other runs. */
#pragma once
#if defined(__x86_64__)
#include "runtime/arch/x86_64/valgrind.h"
#else
#error "libvthr: unsupported architecture"
#endif

/* valgrind.h of Valgrind, VALGRIND_* */
#define ARCH_ON_VALGRIND 0x1001ul
#define ARCH_STACK_REGISTER 0x1501ul
#define ARCH_STACK_DEREGISTER 0x1502ul

static inline int arch_on_valgrind(void)
{
    return arch_valgrind(ARCH_ON_VALGRIND, 0, 0) != 0;
}
/* Its number for arch_stack_was; one that is never given back needs none. */
static inline unsigned long arch_stack_is(const void *lo, const void *end)
{
    return arch_valgrind(ARCH_STACK_REGISTER, (unsigned long)lo, (unsigned long)end - 1);
}
static inline void arch_stack_was(unsigned long number)
{
    arch_valgrind(ARCH_STACK_DEREGISTER, number, 0);
}
