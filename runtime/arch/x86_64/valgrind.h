/* Asking and telling Valgrind: a "client request" (its manual, "The Client Request mechanism"), an instruction sequence that does nothing on
 * a processor.  Rotations of rdi by 128 bits in all, an exchange of rbx with itself; rax: the request and its five arguments, rdx: the answer
 * outside of Valgrind, and the answer. */
#pragma once

static inline unsigned long arch_valgrind(unsigned long request, unsigned long a, unsigned long b)
{
    unsigned long args[6] = { request, a, b, 0, 0, 0 }, answer = 0;

    __asm__ volatile("rolq $3, %%rdi\n\trolq $13, %%rdi\n\trolq $61, %%rdi\n\trolq $51, %%rdi\n\txchgq %%rbx, %%rbx"
                     : "+d"(answer)
                     : "a"(args)
                     : "cc", "memory");
    return answer;
}
