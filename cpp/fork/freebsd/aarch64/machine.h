// What live fork on FreeBSD needs to know of the CPU: the thread pointer, the interrupted call.
#pragma once

#include <ucontext.h>

#include <cerrno>
#include <cstdint>

namespace livefork {

// What thr_new(2) takes as tls_base: cpu_set_user_tls of sys/arm64/arm64/vm_machdep.c.
inline uintptr_t ThreadPointer() {
  uintptr_t pointer;
  asm("mrs %0, tpidr_el0" : "=r"(pointer));
  return pointer;
}

// Was the thread stopped while it waited in a system call? ERESTART has the instruction pointer
// moved back to `svc #0`, EINTR is told by the carry flag: cpu_set_syscall_retval of
// sys/arm64/arm64.
inline bool InterruptedInSyscall(const ucontext_t& context) {
  constexpr uint32_t kSvc = 0xd4000001;
  constexpr uint64_t kCarry = 0x20000000;
  const gpregs& regs = context.uc_mcontext.mc_gpregs;
  const auto* ip = reinterpret_cast<const uint32_t*>(regs.gp_elr);
  if (*ip == kSvc) return true;
  return (regs.gp_spsr & kCarry) != 0 && regs.gp_x[0] == EINTR && ip[-1] == kSvc;
}

}  // namespace livefork
