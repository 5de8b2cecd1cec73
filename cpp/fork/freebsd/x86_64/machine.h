// What live fork on FreeBSD needs to know of the CPU: the thread pointer, the interrupted call.
#pragma once

#include <ucontext.h>

#include <cerrno>
#include <cstdint>
#include <cstring>

namespace livefork {

// tcb_self of libthr's arch/amd64/include/pthread_md.h; what thr_new(2) takes as tls_base.
inline uintptr_t ThreadPointer() {
  uintptr_t pointer;
  asm("mov %%fs:0, %0" : "=r"(pointer));
  return pointer;
}

// Was the thread stopped while it waited in a system call? ERESTART has the instruction pointer
// moved back to `syscall`, EINTR is told by the carry flag: cpu_set_syscall_retval of
// sys/amd64/amd64.
inline bool InterruptedInSyscall(const ucontext_t& context) {
  static constexpr unsigned char kSyscall[2] = {0x0f, 0x05};
  const mcontext_t& regs = context.uc_mcontext;
  const auto* ip = reinterpret_cast<const unsigned char*>(regs.mc_rip);
  if (memcmp(ip, kSyscall, 2) == 0) return true;
  const bool failed = (regs.mc_rflags & 1) != 0 && regs.mc_rax == EINTR;
  return failed && memcmp(ip - 2, kSyscall, 2) == 0;
}

}  // namespace livefork
