/* dlopen and dlmopen by a tail call: libc looks at the return address to find the caller's RUNPATH and namespace.
 * RTLD_DEEPBIND (8) is dropped: it would make the library's calls bypass ours. */
        .macro  TAIL name, flagreg
        .globl  \name
        .type   \name, @function
        .p2align 4
\name:
        .cfi_startproc
        andl    $~8, \flagreg
        pushq   %rdi
        .cfi_adjust_cfa_offset 8
        pushq   %rsi
        .cfi_adjust_cfa_offset 8
        pushq   %rdx
        .cfi_adjust_cfa_offset 8
        callq   vthr_real_\name
        popq    %rdx
        .cfi_adjust_cfa_offset -8
        popq    %rsi
        .cfi_adjust_cfa_offset -8
        popq    %rdi
        .cfi_adjust_cfa_offset -8
        jmpq    *%rax
        .cfi_endproc
        .size   \name, .-\name
        .endm

        .text
        TAIL    dlopen, %esi
        TAIL    dlmopen, %edx

        .section .note.GNU-stack,"",@progbits
