/* Moving signal frames and calling on another stack: see frame.c. */
        .text

/* int arch_copy_try(void *to, const void *from, size_t n): 0, or -EFAULT where a fault's handler calls arch_copy_failed. */
        .globl  arch_copy_try
        .hidden arch_copy_try
        .type   arch_copy_try, @function
        .p2align 4
arch_copy_try:
        .cfi_startproc
        movq    %rdx, %rcx
        xorl    %eax, %eax
        .globl  arch_copy_begin
        .hidden arch_copy_begin
arch_copy_begin:
        rep movsb
        .globl  arch_copy_end
        .hidden arch_copy_end
arch_copy_end:
        ret
        .globl  arch_copy_fault
        .hidden arch_copy_fault
arch_copy_fault:
        movl    $-14, %eax
        ret
        .cfi_endproc
        .size   arch_copy_try, .-arch_copy_try

/* _Noreturn void arch_frame_enter(int sig, void *info, void *uc, void *frame, void (*fn)(int, siginfo_t *, void *)) */
        .globl  arch_frame_enter
        .hidden arch_frame_enter
        .type   arch_frame_enter, @function
        .p2align 4
arch_frame_enter:
        .cfi_startproc
        movq    %rcx, %rsp
        xorl    %eax, %eax
        jmpq    *%r8
        .cfi_endproc
        .size   arch_frame_enter, .-arch_frame_enter

/* void arch_call_on(uintptr_t sp, void (*fn)(void *), void *arg) */
        .globl  arch_call_on
        .hidden arch_call_on
        .type   arch_call_on, @function
        .p2align 4
arch_call_on:
        .cfi_startproc
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbp, 0
        movq    %rsp, %rbp
        .cfi_def_cfa_register %rbp
        andq    $-16, %rdi
        movq    %rdi, %rsp
        movq    %rdx, %rdi
        callq   *%rsi
        leave
        .cfi_def_cfa %rsp, 8
        .cfi_restore %rbp
        ret
        .cfi_endproc
        .size   arch_call_on, .-arch_call_on

        .section .note.GNU-stack,"",@progbits
