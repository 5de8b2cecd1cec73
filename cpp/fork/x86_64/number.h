// The system call from which a thread has just returned. Its number was in rax, where the result is
// now, and the kernel does not expose its copy.
#pragma once

#include <ucontext.h>

namespace livefork {

// The number, from the code before the call, the registers and the stack. -1: the instruction
// pointer is not right after a `syscall`, or the number is unknown.
long NumberBehind(const greg_t* regs);

}  // namespace livefork
