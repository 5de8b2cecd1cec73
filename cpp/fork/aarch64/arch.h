// The aarch64 version of x86_64/arch.h, which documents the names.
#pragma once

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "fork/base/call.h"

namespace livefork {

inline long Raw(long n, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  register long x8 asm("x8") = n;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  register long x3 asm("x3") = d;
  register long x4 asm("x4") = e;
  register long x5 asm("x5") = f;
  asm volatile("svc #0"
               : "+r"(x0)
               : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
               : "memory", "cc");
  return x0;
}

template <typename... Args>
inline long Sys(long n, Args... args) {
  return Raw(n, (long)args...);
}

inline uintptr_t ThreadPointer() {
  uintptr_t tp;
  asm("mrs %0, tpidr_el0" : "=r"(tp));
  return tp;
}

constexpr int kCallSize = 4;
// Without SA_RESTORER the kernel returns from handlers through its own code in the vdso.
constexpr unsigned long kRestorerFlag = 0;
inline void (*const kRestorer)() = nullptr;
constexpr uint32_t kRseqSignature = 0xd428bc00;
// The address bits of a return address on a stack. The bits above may be a signature (pointer
// authentication, Armv8.3).
constexpr uintptr_t kCodeMask = (uintptr_t{1} << 48) - 1;

// struct pthread: glibc's begins with 24 words for the TCB and two of a list; musl's with self,
// prev, next and sysinfo.
constexpr size_t kGlibcTid = 208, kMuslTid = 32;

// AAPCS64: a call preserves x19 to x30, the stack pointer and the lower halves of v8 to v15.
struct Context {
  uint64_t x[12], sp, d[8];
};

inline uintptr_t StackPointer(const Context& context) {
  return context.sp;
}

extern "C" {
int livefork_save_context(Context* context) __attribute__((returns_twice));
[[noreturn]] void livefork_jump_context(const Context* context);
long livefork_clone_thread(unsigned long flags, void* stack_top, int* parent_tid, int* child_tid,
                           uintptr_t tls, void (*entry)(void*), void* arg);
long livefork_call(long number, const long* arguments);
extern const char livefork_call_made[];
}

inline long CloneProcess(unsigned long flags) {
  return Raw(SYS_clone, (long)flags);
}

// As on x86-64: the kernel (do_signal() of arch/arm64/kernel/signal.c) moves the program counter
// back to the `svc`, or puts -EINTR into the register of the first argument. The number stays in
// its register.
inline Stop StoppedAt(const void* ucontext, Call& call) {
  constexpr uint32_t kSvc = 0xd4000001;
  const auto& regs = static_cast<const ucontext_t*>(ucontext)->uc_mcontext;
  const auto* pc = reinterpret_cast<const uint32_t*>(regs.pc);
  call.number = static_cast<long>(regs.regs[8]);
  for (int i = 0; i < 6; ++i) call.arguments[i] = static_cast<long>(regs.regs[i]);
  if (*pc == kSvc) return Stop::kBefore;
  if (call.arguments[0] == -EINTR && pc[-1] == kSvc) return Stop::kCut;
  call.number = -1;
  return Stop::kRunning;
}

inline long CameFrom(const void* ucontext) {
  return static_cast<long>(static_cast<const ucontext_t*>(ucontext)->uc_mcontext.regs[8]);
}
// Unknown: no register shows whether the thread came there by `svc` or by a jump.
inline bool IsBehindCall(const void*) {
  return false;
}
inline long ResultOf(const void* ucontext) {
  return static_cast<long>(static_cast<const ucontext_t*>(ucontext)->uc_mcontext.regs[0]);
}

constexpr bool kFirstArgumentLost = true;

inline uintptr_t StackPointer(const void* ucontext) {
  return static_cast<const ucontext_t*>(ucontext)->uc_mcontext.sp;
}
inline uintptr_t ProgramCounter(const void* ucontext) {
  return static_cast<const ucontext_t*>(ucontext)->uc_mcontext.pc;
}

inline void SetResult(void* ucontext, long result) {
  static_cast<ucontext_t*>(ucontext)->uc_mcontext.regs[0] = static_cast<unsigned long>(result);
}

inline void EndCall(void* ucontext, Stop stop, long result) {
  SetResult(ucontext, result);
  if (stop == Stop::kBefore) static_cast<ucontext_t*>(ucontext)->uc_mcontext.pc += kCallSize;
}

inline void MakeAgain(void* ucontext, const Call& call) {
  auto& regs = static_cast<ucontext_t*>(ucontext)->uc_mcontext;
  regs.regs[0] = static_cast<unsigned long>(call.arguments[0]);
  regs.pc -= kCallSize;
}

// A guarded control stack (GCS, Linux 6.13).
inline bool HasShadowStack() {
  constexpr int kGetShadowStackStatus = 74;  // PR_GET_SHADOW_STACK_STATUS
  unsigned long mode = 0;
  return Sys(SYS_prctl, kGetShadowStackStatus, &mode, 0, 0, 0) == 0 && (mode & 1) != 0;
}

// Each thread has its own vector lengths of SVE and SME, and the kernel refuses a signal frame that
// was written under another length (restore_sve_fpsimd_context() of arch/arm64/kernel/signal.c).
struct CpuSettings {
  long sve, sme;  // as the GET calls return them, negative where the CPU has none
};
constexpr int kSveSetVl = 50, kSveGetVl = 51, kSmeSetVl = 63, kSmeGetVl = 64;

inline void ReadCpuSettings(CpuSettings& settings) {
  settings.sve = Sys(SYS_prctl, kSveGetVl, 0, 0, 0, 0);
  settings.sme = Sys(SYS_prctl, kSmeGetVl, 0, 0, 0, 0);
}

inline void WriteCpuSettings(const CpuSettings& settings) {
  CpuSettings now;
  ReadCpuSettings(now);
  if (settings.sve != now.sve) Sys(SYS_prctl, kSveSetVl, settings.sve, 0, 0, 0);
  if (settings.sme != now.sme) Sys(SYS_prctl, kSmeSetVl, settings.sme, 0, 0, 0);
}

}  // namespace livefork
