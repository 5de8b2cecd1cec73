// The CPU-specific part of live fork: raw system calls, the interrupted instruction, the thread
// pointer, a saved context. binding.gyp puts the right folder on the include path.
#pragma once

#include <sys/syscall.h>
#include <ucontext.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "fork/base/call.h"
#include "number.h"

namespace livefork {

// Raw calls return -errno. libc's wrappers would store errno through the thread pointer, which in a
// half-built thread belongs to another thread.
inline long Raw(long n, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  long result;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

template <typename... Args>
inline long Sys(long n, Args... args) {
  return Raw(n, (long)args...);
}

// %fs:0 holds its own address in both TLS variants of x86-64 (psABI, "TCB self pointer").
inline uintptr_t ThreadPointer() {
  uintptr_t tp;
  asm("mov %%fs:0, %0" : "=r"(tp));
  return tp;
}

constexpr int kCallSize = 2;                         // of the instruction
constexpr unsigned long kRestorerFlag = 0x04000000;  // SA_RESTORER, which libc does not declare
constexpr uint32_t kRseqSignature = 0x53053053;
constexpr uintptr_t kCodeMask = ~uintptr_t{0};  // the address bits of a return address on a stack

// The offset of the thread's id in struct pthread: glibc's begins with a TCB of 704 bytes and two
// words of a list; musl's with self, dtv, prev, next, sysinfo and canary.
constexpr size_t kGlibcTid = 720, kMuslTid = 48;

// The callee-saved registers, the stack pointer and the return address: everything that a call
// preserves.
struct Context {
  uint64_t rbx, rbp, r12, r13, r14, r15, rsp, rip;
};

inline uintptr_t StackPointer(const Context& context) {
  return context.rsp;
}

extern "C" {
// Returns 0 after saving, and 1 when JumpContext returns to it.
int livefork_save_context(Context* context) __attribute__((returns_twice));
[[noreturn]] void livefork_jump_context(const Context* context);
// The return address of a signal handler: rt_sigaction(2) on x86-64 has no default.
void livefork_restorer();
// clone(2) with CLONE_VM: the new thread runs entry(arg) on the given stack.
long livefork_clone_thread(unsigned long flags, void* stack_top, int* parent_tid, int* child_tid,
                           uintptr_t tls, void (*entry)(void*), void* arg);
// A system call with a recognizable instruction: livefork_call_made is right after it.
long livefork_call(long number, const long* arguments);
extern const char livefork_call_made[];
}

inline void (*const kRestorer)() = livefork_restorer;

// clone(2) with the caller's own stack, as fork(2) does it.
inline long CloneProcess(unsigned long flags) {
  return Raw(SYS_clone, (long)flags);
}

inline bool IsSyscall(const unsigned char* at) {
  return at[0] == 0x0f && at[1] == 0x05;
}

// Where a signal interrupted the thread, and the system call in its registers. The kernel either
// moves the instruction pointer back to `syscall`, so that the call is repeated, or returns -EINTR.
// The call's number is in a register only before the call.
inline Stop StoppedAt(const void* ucontext, Call& call) {
  const auto* regs = static_cast<const ucontext_t*>(ucontext)->uc_mcontext.gregs;
  const auto* ip = reinterpret_cast<const unsigned char*>(regs[REG_RIP]);
  call = {-1,
          {regs[REG_RDI], regs[REG_RSI], regs[REG_RDX], regs[REG_R10], regs[REG_R8], regs[REG_R9]}};
  // Byte by byte: an instruction of one byte may be at the end of the mapped memory.
  if (IsSyscall(ip)) {
    call.number = regs[REG_RAX];
    return Stop::kBefore;
  }
  // Only after -EINTR are the bytes before ip certainly readable.
  if (regs[REG_RAX] != -EINTR || !IsSyscall(ip - 2)) return Stop::kRunning;
  call.number = NumberBehind(regs);
  return Stop::kCut;
}

// For a thread that is not in a call: the number of the call from which it has just returned, if
// the code contains it, and that call's result. The arguments are still in their registers.
inline long CameFrom(const void* ucontext) {
  return NumberBehind(static_cast<const ucontext_t*>(ucontext)->uc_mcontext.gregs);
}
// Whether it has just returned from one: `syscall` leaves the address behind itself in rcx.
inline bool IsBehindCall(const void* ucontext) {
  const auto* regs = static_cast<const ucontext_t*>(ucontext)->uc_mcontext.gregs;
  return regs[REG_RCX] == regs[REG_RIP];
}
inline long ResultOf(const void* ucontext) {
  return static_cast<const ucontext_t*>(ucontext)->uc_mcontext.gregs[REG_RAX];
}

// The first argument is still in its register, as are the others.
constexpr bool kFirstArgumentLost = false;

inline uintptr_t StackPointer(const void* ucontext) {
  return static_cast<uintptr_t>(
      static_cast<const ucontext_t*>(ucontext)->uc_mcontext.gregs[REG_RSP]);
}
inline uintptr_t ProgramCounter(const void* ucontext) {
  return static_cast<uintptr_t>(
      static_cast<const ucontext_t*>(ucontext)->uc_mcontext.gregs[REG_RIP]);
}

// Replaces the result of an interrupted call.
inline void SetResult(void* ucontext, long result) {
  static_cast<ucontext_t*>(ucontext)->uc_mcontext.gregs[REG_RAX] = result;
}

// Ends a call that was made elsewhere for the thread.
inline void EndCall(void* ucontext, Stop stop, long result) {
  SetResult(ucontext, result);
  auto* regs = static_cast<ucontext_t*>(ucontext)->uc_mcontext.gregs;
  if (stop == Stop::kBefore) regs[REG_RIP] += kCallSize;
}

// Makes the thread repeat an interrupted call.
inline void MakeAgain(void* ucontext, const Call& call) {
  auto* regs = static_cast<ucontext_t*>(ucontext)->uc_mcontext.gregs;
  regs[REG_RAX] = call.number;
  regs[REG_RIP] -= kCallSize;
}

// A user shadow stack (CET, Linux 6.6) contains return addresses that JumpContext cannot restore in
// a rebuilt thread.
inline bool HasShadowStack() {
  constexpr long kArchShstkStatus = 0x5005;
  unsigned long features = 0;
  return Sys(SYS_arch_prctl, kArchShstkStatus, &features) == 0 && (features & 1) != 0;
}

// CPU settings of a thread that are not in its signal frame and that a new thread inherits from its
// creator: x86-64 has none.
struct CpuSettings {};
inline void ReadCpuSettings(CpuSettings&) {}
inline void WriteCpuSettings(const CpuSettings&) {}

}  // namespace livefork
