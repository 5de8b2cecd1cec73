// The CPU-specific part of live fork on FreeBSD: the thread pointer, and the interrupted call.
#pragma once

#include <sys/syscall.h>
#include <ucontext.h>

#include <cstdint>

#include "fork/freebsd/lock_operation.h"

namespace livefork {

// What thr_new(2) takes as tls_base: cpu_set_user_tls of sys/arm64/arm64/vm_machdep.c.
inline uintptr_t ThreadPointer() {
  uintptr_t pointer;
  asm("mrs %0, tpidr_el0" : "=r"(pointer));
  return pointer;
}

// Where a thread was stopped.
enum class Stopped { kElsewhere, kAtSyscall, kAtLock };

// ERESTART moves the instruction pointer back to `svc #0` (cpu_set_syscall_retval of
// sys/arm64/arm64). With any other result it is right after it, and no instruction of the program
// has run since.
//
// _umtx_op(2) for a umutex has the thread's id in its frame, and the id differs in the child. x8
// keeps the number. x1 keeps the operation only if the call failed: after one that succeeded it has
// the second result, 0, and the operation may have been any.
inline Stopped WhereStopped(const ucontext_t& context) {
  constexpr uint32_t kSvc = 0xd4000001;
  const gpregs& regs = context.uc_mcontext.mc_gpregs;
  const auto* ip = reinterpret_cast<const uint32_t*>(regs.gp_elr);
  if (ip[0] != kSvc && ip[-1] != kSvc) return Stopped::kElsewhere;
  if (regs.gp_x[8] != SYS__umtx_op) return Stopped::kAtSyscall;
  const auto operation = static_cast<unsigned long>(regs.gp_x[1]);
  return operation == 0 || IsLockOperation(operation) ? Stopped::kAtLock : Stopped::kAtSyscall;
}

}  // namespace livefork
