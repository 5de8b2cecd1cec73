// Which system call a thread has just come back from. The CPU keeps the number in rax, where the
// result is then, and the kernel, which has it still, tells it nobody.
#pragma once

#include <ucontext.h>

namespace livefork {

// As the code before the call tells it, the registers and the stack; -1: the instruction pointer is
// not right behind a `syscall`, or its number is not to be known.
long NumberBehind(const greg_t* regs);

}  // namespace livefork
