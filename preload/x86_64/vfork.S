/* vfork: the child runs on its parent's memory and this very stack until it execs or exits, so the return address is kept in a
 * register that the kernel preserves, as libc's own vfork does.  vthr_vfork_returned (process.c) is told of both returns. */
        .text
        .globl  vfork
        .type   vfork, @function
        .p2align 4
vfork:
        .cfi_startproc
        popq    %rdi
        .cfi_adjust_cfa_offset -8
        .cfi_register %rip, %rdi
        movl    $58, %eax
        syscall
        pushq   %rdi
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rip, 0
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        movq    %rax, %rdi
        callq   vthr_vfork_returned
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        ret
        .cfi_endproc
        .size   vfork, .-vfork
        .globl  __vfork
        .set    __vfork, vfork

        .section .note.GNU-stack,"",@progbits
