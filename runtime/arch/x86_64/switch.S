/* See runtime/arch/context.h for the protocol.
 * The control words are loaded only when they differ: ldmxcsr and fldcw serialise, and nearly all threads
 * run with the default ones.  CFI is right at every instruction: both stacks have the same layout, so the
 * change of stack needs no change of rule. */
        .text
        .globl  arch_switch
        .hidden arch_switch
        .type   arch_switch, @function
        .p2align 5
arch_switch:
        .cfi_startproc
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbp, 0
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbx, 0
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r12, 0
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r13, 0
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r14, 0
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r15, 0
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        stmxcsr (%rsp)
        fnstcw  4(%rsp)
        movw    $0, 6(%rsp)
        movq    (%rsp), %rdx
        movq    %rsp, (%rdi)
        movq    8(%rsi), %rax
        movq    (%rsi), %rsp
        cmpb    $1, arch_tp_way(%rip)
        jne     .Lother_tp
        wrfsbase %rax
.Ltp_set:
        cmpq    (%rsp), %rdx
        jne     .Lcontrol
.Lcontrol_set:
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        popq    %r15
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r15
        popq    %r14
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r14
        popq    %r13
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r13
        popq    %r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r12
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbx
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbp
        ret
        .cfi_endproc
        .size   arch_switch, .-arch_switch

/* The rare parts, with the frame still on the stack. */
        .type   arch_switch_rare, @function
arch_switch_rare:
        .cfi_startproc
        .cfi_def_cfa_offset 64
        .cfi_offset %rbp, -16
        .cfi_offset %rbx, -24
        .cfi_offset %r12, -32
        .cfi_offset %r13, -40
        .cfi_offset %r14, -48
        .cfi_offset %r15, -56
.Lcontrol:
        ldmxcsr (%rsp)
        fldcw   4(%rsp)
        jmp     .Lcontrol_set
.Lother_tp:                             /* see tp.c */
        jb      .Lslow_tp
        movq    %rax, %gs:0             /* first: a trap between the two sets the base to this */
        cmpl    $0, %gs:8
        jne     .Lslow_tp
        wrfsbase %rax
        jmp     .Ltp_set
.Lslow_tp:                              /* arch_prctl(ARCH_SET_FS, tp) */
        movq    %rdx, %r8
        movq    %rax, %rsi
        movl    $0x1002, %edi
        movl    $158, %eax
        syscall
        movq    %r8, %rdx
        jmp     .Ltp_set
        .cfi_endproc
        .size   arch_switch_rare, .-arch_switch_rare

/* First instruction of a new context: rbx = fn, r12 = arg.  The outermost frame: unwinding ends here. */
        .globl  arch_entry
        .hidden arch_entry
        .type   arch_entry, @function
        .p2align 4
arch_entry:
        .cfi_startproc
        .cfi_undefined %rip
        nop                             /* contexts start after it: see arch_ctx_make */
        xorl    %ebp, %ebp
        movq    %r12, %rdi
        callq   *%rbx
        hlt
        .cfi_endproc
        .size   arch_entry, .-arch_entry

/* longjmp arrives here with the stack pointer of setjmp's caller; rbx.. are that frame's.  Align and call. */
        .globl  arch_jmp_landing
        .hidden arch_jmp_landing
        .type   arch_jmp_landing, @function
        .p2align 4
arch_jmp_landing:
        .cfi_startproc
        .cfi_undefined %rip
        subq    $256, %rsp
        andq    $-16, %rsp
        xorl    %ebp, %ebp
        callq   *arch_jmp_target(%rip)
        hlt
        .cfi_endproc
        .size   arch_jmp_landing, .-arch_jmp_landing

        .section .note.GNU-stack,"",@progbits
