# The three routines of arch.h that cannot be written in C++, because they leave or enter a stack.
        .text

        .globl  livefork_save_context
        .hidden livefork_save_context
        .type   livefork_save_context, @function
livefork_save_context:
        mov     %rbx, 0(%rdi)
        mov     %rbp, 8(%rdi)
        mov     %r12, 16(%rdi)
        mov     %r13, 24(%rdi)
        mov     %r14, 32(%rdi)
        mov     %r15, 40(%rdi)
        lea     8(%rsp), %rax           # the caller's stack pointer after our return
        mov     %rax, 48(%rdi)
        mov     (%rsp), %rax
        mov     %rax, 56(%rdi)
        xor     %eax, %eax
        ret
        .size   livefork_save_context, .-livefork_save_context

        .globl  livefork_jump_context
        .hidden livefork_jump_context
        .type   livefork_jump_context, @function
livefork_jump_context:
        mov     0(%rdi), %rbx
        mov     8(%rdi), %rbp
        mov     16(%rdi), %r12
        mov     24(%rdi), %r13
        mov     32(%rdi), %r14
        mov     40(%rdi), %r15
        mov     48(%rdi), %rsp
        mov     $1, %eax
        jmp     *56(%rdi)
        .size   livefork_jump_context, .-livefork_jump_context

        .globl  livefork_clone_thread
        .hidden livefork_clone_thread
        .type   livefork_clone_thread, @function
livefork_clone_thread:
        mov     8(%rsp), %rax
        and     $-16, %rsi
        sub     $16, %rsi               # entry and arg wait on the new stack
        mov     %r9, 0(%rsi)
        mov     %rax, 8(%rsi)
        mov     %rcx, %r10
        mov     $56, %eax               # clone
        syscall
        test    %rax, %rax
        jz      1f
        ret
1:      xor     %ebp, %ebp              # the outermost frame
        pop     %rax
        pop     %rdi
        call    *%rax
        hlt
        .size   livefork_clone_thread, .-livefork_clone_thread

        .globl  livefork_call
        .hidden livefork_call
        .type   livefork_call, @function
livefork_call:
        .cfi_startproc                  # threads at rest are there: for stack traces
        mov     %rdi, %rax
        mov     %rsi, %rcx
        mov     0(%rcx), %rdi
        mov     8(%rcx), %rsi
        mov     16(%rcx), %rdx
        mov     24(%rcx), %r10
        mov     32(%rcx), %r8
        mov     40(%rcx), %r9
        syscall
        .globl  livefork_call_made
        .hidden livefork_call_made
livefork_call_made:
        ret
        .cfi_endproc
        .size   livefork_call, .-livefork_call

# Unwinders that take a restorer for a return address may read the byte before it.
        nop
        .globl  livefork_restorer
        .hidden livefork_restorer
        .type   livefork_restorer, @function
livefork_restorer:
        mov     $15, %rax               # rt_sigreturn
        syscall
        .size   livefork_restorer, .-livefork_restorer

        .section .note.GNU-stack, "", @progbits
