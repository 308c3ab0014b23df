/* __sigsetjmp by a tail call: it must return to its caller twice, so no frame of ours may be in between.  Before it runs, the
 * vthread's virtual mask is stored in the buffer (jump.c). */
        .section .text.startup.early,"ax",@progbits
        .globl  __sigsetjmp
        .type   __sigsetjmp, @function
        .p2align 4
__sigsetjmp:
        .cfi_startproc
        pushq   %rdi
        .cfi_adjust_cfa_offset 8
        pushq   %rsi
        .cfi_adjust_cfa_offset 8
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        callq   vthr_note_mask
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        popq    %rsi
        .cfi_adjust_cfa_offset -8
        popq    %rdi
        .cfi_adjust_cfa_offset -8
        jmpq    *%rax
        .cfi_endproc
        .size   __sigsetjmp, .-__sigsetjmp

        .section .note.GNU-stack,"",@progbits
