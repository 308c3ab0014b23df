/* long arch_syscall_intr(const uint8_t *flag, long nr, long a, long b, long c, long d, long e, long f)
 *
 * A system call that a signal cannot slip past: if *flag is set, or a signal handler calls arch_abort_syscall while execution is
 * between the test and the system call, the answer is -EINTR without calling.  (The technique of musl's
 * src/thread/x86_64/syscall_cp.s.) */
        .text
        .globl  arch_syscall_intr
        .hidden arch_syscall_intr
        .type   arch_syscall_intr, @function
        .p2align 4
arch_syscall_intr:
        .cfi_startproc
        movq    %rsi, %rax
        movq    %rdi, %r11
        movq    %rdx, %rdi
        movq    %rcx, %rsi
        movq    %r8, %rdx
        movq    %r9, %r10
        movq    8(%rsp), %r8
        movq    16(%rsp), %r9
        .globl  arch_intr_begin
        .hidden arch_intr_begin
arch_intr_begin:
        cmpb    $0, (%r11)
        jne     arch_intr_abort
        syscall
        .globl  arch_intr_end
        .hidden arch_intr_end
arch_intr_end:
        ret
        .globl  arch_intr_abort
        .hidden arch_intr_abort
arch_intr_abort:
        movq    $-4, %rax
        ret
        .cfi_endproc
        .size   arch_syscall_intr, .-arch_syscall_intr

        .section .note.GNU-stack,"",@progbits
