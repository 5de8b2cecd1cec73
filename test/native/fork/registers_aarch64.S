        .text
// What a call preserves, at base: ten general registers and the lower halves of eight vectors.
        .macro  preserved op, base, at
        \op     x19, x20, [\base, #\at]
        \op     x21, x22, [\base, #\at + 16]
        \op     x23, x24, [\base, #\at + 32]
        \op     x25, x26, [\base, #\at + 48]
        \op     x27, x28, [\base, #\at + 64]
        \op     d8, d9, [\base, #\at + 80]
        \op     d10, d11, [\base, #\at + 96]
        \op     d12, d13, [\base, #\at + 112]
        \op     d14, d15, [\base, #\at + 128]
        .endm

// struct Registers at base; x0 to x4 are the loop's.
        .macro  all op, base
        \op     q0, q1, [\base, #192]
        \op     q2, q3, [\base, #224]
        \op     q4, q5, [\base, #256]
        \op     q6, q7, [\base, #288]
        \op     q8, q9, [\base, #320]
        \op     q10, q11, [\base, #352]
        \op     q12, q13, [\base, #384]
        \op     q14, q15, [\base, #416]
        \op     q16, q17, [\base, #448]
        \op     q18, q19, [\base, #480]
        \op     q20, q21, [\base, #512]
        \op     q22, q23, [\base, #544]
        \op     q24, q25, [\base, #576]
        \op     q26, q27, [\base, #608]
        \op     q28, q29, [\base, #640]
        \op     q30, q31, [\base, #672]
        \op     x5, x6, [\base, #0]
        \op     x7, x8, [\base, #16]
        \op     x9, x10, [\base, #32]
        \op     x11, x12, [\base, #48]
        \op     x13, x14, [\base, #64]
        \op     x15, x16, [\base, #80]
        \op     x17, x18, [\base, #96]
        \op     x19, x20, [\base, #112]
        \op     x21, x22, [\base, #128]
        \op     x23, x24, [\base, #144]
        \op     x25, x26, [\base, #160]
        \op     x27, x28, [\base, #176]
        .endm

        .globl  spin_with_registers
        .type   spin_with_registers, %function
spin_with_registers:
        stp     x29, x30, [sp, #-160]!
        preserved stp, sp, 16
        mov     x4, #0xc00000           // FPCR: round towards zero
        msr     fpcr, x4
        all     ldp, x0
1:      ldr     x4, [x3]
        add     x4, x4, #1
        str     x4, [x3]
        ldr     w4, [x2]
        cbz     w4, 1b
        all     stp, x1
        mrs     x4, fpcr
        str     x4, [x1, #704]
        msr     fpcr, xzr
        preserved ldp, sp, 16
        ldp     x29, x30, [sp], #160
        ret
        .size   spin_with_registers, .-spin_with_registers

        .globl  call_with_registers
        .type   call_with_registers, %function
call_with_registers:
        stp     x29, x30, [sp, #-176]!
        preserved stp, sp, 16
        str     x1, [sp, #160]
        preserved ldp, x0, 0
        mov     x0, x3
        blr     x2
        ldr     x1, [sp, #160]
        preserved stp, x1, 0
        preserved ldp, sp, 16
        ldp     x29, x30, [sp], #176
        ret
        .size   call_with_registers, .-call_with_registers

        .section .note.GNU-stack, "", %progbits
