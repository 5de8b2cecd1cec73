// The routines of arch.h that cannot be written in C++, because they leave or enter a stack.
        .text

// A landing pad for indirect calls (BTI), a no-operation on CPUs without.
        .macro  routine name
        .globl  \name
        .hidden \name
        .type   \name, %function
        .p2align 2
\name:  hint    #34
        .endm

        routine livefork_save_context
        stp     x19, x20, [x0, #0]
        stp     x21, x22, [x0, #16]
        stp     x23, x24, [x0, #32]
        stp     x25, x26, [x0, #48]
        stp     x27, x28, [x0, #64]
        stp     x29, x30, [x0, #80]
        mov     x1, sp
        str     x1, [x0, #96]
        stp     d8, d9, [x0, #104]
        stp     d10, d11, [x0, #120]
        stp     d12, d13, [x0, #136]
        stp     d14, d15, [x0, #152]
        mov     w0, #0
        ret
        .size   livefork_save_context, .-livefork_save_context

        routine livefork_jump_context
        ldp     x19, x20, [x0, #0]
        ldp     x21, x22, [x0, #16]
        ldp     x23, x24, [x0, #32]
        ldp     x25, x26, [x0, #48]
        ldp     x27, x28, [x0, #64]
        ldp     x29, x30, [x0, #80]
        ldr     x1, [x0, #96]
        mov     sp, x1
        ldp     d8, d9, [x0, #104]
        ldp     d10, d11, [x0, #120]
        ldp     d12, d13, [x0, #136]
        ldp     d14, d15, [x0, #152]
        mov     w0, #1
        ret
        .size   livefork_jump_context, .-livefork_jump_context

// Here the thread pointer comes before the clear-tid address (CLONE_BACKWARDS).
        routine livefork_clone_thread
        and     x1, x1, #-16
        stp     x5, x6, [x1, #-16]!     // entry and arg wait on the new stack
        mov     x7, x3
        mov     x3, x4
        mov     x4, x7
        mov     x8, #220                // clone
        svc     #0
        cbz     x0, 1f
        ret
1:      mov     x29, #0                 // the outermost frame
        mov     x30, #0
        ldp     x1, x0, [sp], #16
        blr     x1
        brk     #0
        .size   livefork_clone_thread, .-livefork_clone_thread

        routine livefork_call
        .cfi_startproc
        mov     x8, x0
        mov     x9, x1
        ldp     x0, x1, [x9, #0]
        ldp     x2, x3, [x9, #16]
        ldp     x4, x5, [x9, #32]
        svc     #0
        .globl  livefork_call_made
        .hidden livefork_call_made
livefork_call_made:
        ret
        .cfi_endproc
        .size   livefork_call, .-livefork_call

// GNU_PROPERTY_AARCH64_FEATURE_1_AND: BTI and PAC. One object without it takes both from the addon.
        .section .note.gnu.property, "a"
        .p2align 3
        .word   4, 16, 5
        .asciz  "GNU"
        .word   0xc0000000, 4, 3, 0

        .section .note.GNU-stack, "", %progbits
