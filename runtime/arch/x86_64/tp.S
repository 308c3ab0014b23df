/* Setting the thread pointer where the kernel does not keep it: see tp.c. */
        .text

/* void arch_fault_entry(int sig, siginfo_t *info, void *ucontext): the handler of SIGSEGV.
 * Until the thread pointer is mended nothing here may use it, hence assembly.
 *
 * A fault in the region with the right base in force is one of two things.  A handler ran between the fault and this and mended the base
 * already, by a trap of its own: nothing is left to do.  Or it is no trap, but a wild pointer of the program's, which faults again and
 * again at the same place: what counts are those at one place with no trap elsewhere on this OS thread between them. */
        .set    TP, 0                           /* in struct arch_thread */
        .set    FAULT_IP, 24
        .set    FAULT_ADDR, 32
        .set    FAULT_COUNT, 40
        .set    UC_RIP, 168
        .globl  arch_fault_entry
        .hidden arch_fault_entry
        .type   arch_fault_entry, @function
        .p2align 4
arch_fault_entry:
        .cfi_startproc
        xorl    %r8d, %r8d
        rdfsbase %rax
        subq    arch_trap_lo(%rip), %rax
        cmpq    arch_trap_size(%rip), %rax
        jae     1f
        movl    $1, %r8d
        movq    %gs:TP, %rax
        wrfsbase %rax
1:      movq    16(%rsi), %rcx                  /* si_addr */
        movq    %rcx, %rax
        subq    arch_trap_lo(%rip), %rax
        cmpq    arch_trap_size(%rip), %rax
        jae     3f
        rdgsbase %r9
        testq   %r9, %r9
        jz      3f                              /* no thread that traps */
        movq    UC_RIP(%rdx), %r10
        cmpq    %r10, FAULT_IP(%r9)
        jne     2f
        cmpq    %rcx, FAULT_ADDR(%r9)
        jne     2f
        testl   %r8d, %r8d
        jnz     4f
        incl    FAULT_COUNT(%r9)
        cmpl    $100, FAULT_COUNT(%r9)
        ja      3f
        ret
2:      movq    %r10, FAULT_IP(%r9)
        movq    %rcx, FAULT_ADDR(%r9)
        movl    $0, FAULT_COUNT(%r9)
4:      addq    %r8, arch_trap_count(%rip)
        ret
3:      jmpq    *arch_fault_next(%rip)
        .cfi_endproc
        .size   arch_fault_entry, .-arch_fault_entry

/* uintptr_t arch_tp_probe(uintptr_t tp, const struct timespec *t): sets the thread pointer to tp, sleeps, puts the old one back; what
 * it was after the sleep.  0: no such instruction (the handler of SIGILL jumps to arch_tp_probe_ill). */
        .globl  arch_tp_probe
        .hidden arch_tp_probe
        .type   arch_tp_probe, @function
        .p2align 4
arch_tp_probe:
        .cfi_startproc
        movq    %rdi, %r8
        rdfsbase %r9
        wrfsbase %r8
        movq    %rsi, %rdi
        xorl    %esi, %esi
        movl    $35, %eax                       /* nanosleep */
        syscall
        rdfsbase %rax
        wrfsbase %r9
        ret
        .globl  arch_tp_probe_ill
        .hidden arch_tp_probe_ill
arch_tp_probe_ill:
        xorl    %eax, %eax
        ret
        .cfi_endproc
        .size   arch_tp_probe, .-arch_tp_probe

/* void arch_tp_set_trap(uintptr_t trap, uintptr_t tp): what the kernel knows becomes trap, what is in force is tp. */
        .globl  arch_tp_set_trap
        .hidden arch_tp_set_trap
        .type   arch_tp_set_trap, @function
        .p2align 4
arch_tp_set_trap:
        .cfi_startproc
        movq    %rsi, %r8
        movq    %rdi, %rsi
        movl    $0x1002, %edi                   /* ARCH_SET_FS */
        movl    $158, %eax                      /* arch_prctl */
        syscall
        wrfsbase %r8
        ret
        .cfi_endproc
        .size   arch_tp_set_trap, .-arch_tp_set_trap

/* Returns from the probe's signal handler.  Unwinders know it by these very bytes. */
        .globl  arch_sigreturn
        .hidden arch_sigreturn
        .type   arch_sigreturn, @function
        .p2align 4
        nop
arch_sigreturn:
        movq    $15, %rax
        syscall
        .size   arch_sigreturn, .-arch_sigreturn

        .section .note.GNU-stack,"",@progbits
