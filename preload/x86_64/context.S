/* getcontext and swapcontext: see context.c.  They return to their caller twice, so what they store is their caller's registers.
 * Offsets in ucontext_t are checked there. */

        /* Into (%rdi); the return address is on top of the stack. */
        .macro  SAVE
        movq    %r12, 72(%rdi)
        movq    %r13, 80(%rdi)
        movq    %r14, 88(%rdi)
        movq    %r15, 96(%rdi)
        movq    %rdi, 104(%rdi)
        movq    %rbp, 120(%rdi)
        movq    %rbx, 128(%rdi)
        leaq    8(%rsp), %rcx
        movq    %rcx, 160(%rdi)
        movq    (%rsp), %rcx
        movq    %rcx, 168(%rdi)
        leaq    424(%rdi), %rcx
        movq    %rcx, 224(%rdi)
        fnstenv (%rcx)
        fldenv  (%rcx)
        stmxcsr 24(%rcx)
        .endm

        /* %rdi, %rsi are kept; jumps to what the function returns, if anything. */
        .macro  ASK function
        pushq   %rdi
        .cfi_adjust_cfa_offset 8
        pushq   %rsi
        .cfi_adjust_cfa_offset 8
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        callq   \function
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        popq    %rsi
        .cfi_adjust_cfa_offset -8
        popq    %rdi
        .cfi_adjust_cfa_offset -8
        testq   %rax, %rax
        je      1f
        jmpq    *%rax
1:
        .endm

        .text
        .globl  getcontext
        .type   getcontext, @function
        .p2align 4
getcontext:
        .cfi_startproc
        ASK     vthr_getcontext
        SAVE
        xorl    %eax, %eax
        ret
        .cfi_endproc
        .size   getcontext, .-getcontext

        .globl  swapcontext
        .type   swapcontext, @function
        .p2align 4
swapcontext:
        .cfi_startproc
        ASK     vthr_swapcontext
        SAVE
        movq    %rsi, %rdi
        jmp     setcontext
        .cfi_endproc
        .size   swapcontext, .-swapcontext

        /* The function that makecontext was given has returned; %rbx, which it kept, points to uc_link. */
        .hidden vthr_context_ended
        .globl  vthr_context_ended
        .type   vthr_context_ended, @function
        .p2align 4
vthr_context_ended:
        .cfi_startproc
        .cfi_undefined %rip
        movq    (%rbx), %rdi
        movq    %rbx, %rsp
        andq    $-16, %rsp
        testq   %rdi, %rdi
        je      1f
        callq   setcontext
        movl    %eax, %edi
1:
        callq   *exit@GOTPCREL(%rip)
        hlt
        .cfi_endproc
        .size   vthr_context_ended, .-vthr_context_ended

        .section .note.GNU-stack,"",@progbits
