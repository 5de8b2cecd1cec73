        .text
        .macro  push_preserved
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        .endm
        .macro  pop_preserved
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        .endm

        .globl  spin_with_registers
        .type   spin_with_registers, @function
spin_with_registers:
        push_preserved
        movl    $0x7f80, -8(%rsp)       # MXCSR: round towards zero
        ldmxcsr -8(%rsp)
        .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        movdqa  96+16*\n(%rdi), %xmm\n
        .endr
        mov     0(%rdi), %rax
        mov     8(%rdi), %rbx
        mov     16(%rdi), %rbp
        .irp    n, 8, 9, 10, 11, 12, 13, 14, 15
        mov     24+8*(\n-8)(%rdi), %r\n
        .endr
1:      incq    (%rcx)
        cmpl    $0, (%rdx)
        je      1b
        .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        movdqa  %xmm\n, 96+16*\n(%rsi)
        .endr
        mov     %rax, 0(%rsi)
        mov     %rbx, 8(%rsi)
        mov     %rbp, 16(%rsi)
        .irp    n, 8, 9, 10, 11, 12, 13, 14, 15
        mov     %r\n, 24+8*(\n-8)(%rsi)
        .endr
        stmxcsr 352(%rsi)
        movl    $0x1f80, -8(%rsp)
        ldmxcsr -8(%rsp)
        pop_preserved
        ret
        .size   spin_with_registers, .-spin_with_registers

        .globl  call_with_registers
        .type   call_with_registers, @function
call_with_registers:
        push_preserved
        push    %rsi
        mov     0(%rdi), %rbx
        mov     8(%rdi), %rbp
        mov     16(%rdi), %r12
        mov     24(%rdi), %r13
        mov     32(%rdi), %r14
        mov     40(%rdi), %r15
        mov     %rcx, %rdi
        call    *%rdx
        pop     %rsi
        mov     %rbx, 0(%rsi)
        mov     %rbp, 8(%rsi)
        mov     %r12, 16(%rsi)
        mov     %r13, 24(%rsi)
        mov     %r14, 32(%rsi)
        mov     %r15, 40(%rsi)
        pop_preserved
        ret
        .size   call_with_registers, .-call_with_registers

        .section .note.GNU-stack, "", @progbits
