// The CPU-specific part of live fork on FreeBSD: the thread pointer, and the interrupted call.
#pragma once

#include <sys/syscall.h>
#include <ucontext.h>

#include <cstdint>
#include <cstring>

#include "fork/freebsd/lock_operation.h"

namespace livefork {

// tcb_self of libthr's arch/amd64/include/pthread_md.h; what thr_new(2) takes as tls_base.
inline uintptr_t ThreadPointer() {
  uintptr_t pointer;
  asm("mov %%fs:0, %0" : "=r"(pointer));
  return pointer;
}

// Where a thread was stopped.
enum class Stopped { kElsewhere, kAtSyscall, kAtLock };

// ERESTART moves the instruction pointer back to `syscall` (cpu_set_syscall_retval of
// sys/amd64/amd64). With any other result it is right after it, and no instruction of the program
// has run since.
//
// _umtx_op(2) for a umutex has the thread's id in its frame, and the id differs in the child. The
// number is a constant right before `syscall`, in libthr's stub and in libsys's; rax has the
// result.
inline Stopped WhereStopped(const ucontext_t& context) {
  static constexpr unsigned char kSyscall[2] = {0x0f, 0x05};
  static constexpr unsigned char kUmtxOp[4] = {SYS__umtx_op & 0xff, SYS__umtx_op >> 8, 0, 0};
  static constexpr int kNear = 12;
  const mcontext_t& regs = context.uc_mcontext;
  const auto* at = reinterpret_cast<const unsigned char*>(regs.mc_rip);
  if (memcmp(at, kSyscall, sizeof kSyscall) != 0) {
    at -= sizeof kSyscall;
    if (memcmp(at, kSyscall, sizeof kSyscall) != 0) return Stopped::kElsewhere;
  }
  if (!IsLockOperation(static_cast<unsigned long>(regs.mc_rsi))) return Stopped::kAtSyscall;
  const bool umtx = memmem(at - kNear, kNear, kUmtxOp, sizeof kUmtxOp) != nullptr;
  return umtx ? Stopped::kAtLock : Stopped::kAtSyscall;
}

}  // namespace livefork
