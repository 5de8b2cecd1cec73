// What live fork needs to know of the CPU: raw system calls, the interrupted instruction, the
// thread pointer, a saved context. binding.gyp puts the right folder on the include path.
#pragma once

#include <sys/syscall.h>
#include <ucontext.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "fork/base/call.h"

namespace livefork {

// Raw calls return -errno. libc's wrappers would store errno through the thread pointer, which
// in a half-built thread is somebody else's.
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

constexpr unsigned long kRestorerFlag = 0x04000000;  // SA_RESTORER, which libc keeps to itself
constexpr uint32_t kRseqSignature = 0x53053053;

// Of the thread's id in struct pthread: glibc's begins with a TCB of 704 bytes and two words of
// list; musl's with self, dtv, prev, next, sysinfo and canary.
constexpr size_t kGlibcTid = 720, kMuslTid = 48;

// The callee-saved registers, the stack pointer and where to go on: all that a call preserves.
struct Context {
  uint64_t rbx, rbp, r12, r13, r14, r15, rsp, rip;
};

inline uintptr_t StackPointer(const Context& context) {
  return context.rsp;
}

extern "C" {
// Returns 0 when it saves, 1 when JumpContext comes back to it.
int livefork_save_context(Context* context) __attribute__((returns_twice));
[[noreturn]] void livefork_jump_context(const Context* context);
// Where a signal handler returns to: rt_sigaction(2) on x86-64 has no default.
void livefork_restorer();
// clone(2) with CLONE_VM: the new thread runs entry(arg) on the given stack.
long livefork_clone_thread(unsigned long flags, void* stack_top, int* parent_tid, int* child_tid,
                           uintptr_t tls, void (*entry)(void*), void* arg);
// A system call whose instruction can be told from all others: livefork_call_made lies behind it.
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

// The number of the call whose instruction lies before ip, if it is part of the code: `mov $number,
// %eax`, or `xor %eax, %eax` for read(2), as compilers put it right before the instruction; else
// -1.
inline long NumberBefore(const unsigned char* ip) {
  uint32_t number;
  memcpy(&number, ip - 6, sizeof number);
  if (ip[-7] == 0xb8) return number;
  // With a prefix (REX) it would be `xor %r8d, %r8d`.
  return ip[-4] == 0x31 && ip[-3] == 0xc0 && (ip[-5] & 0xf0) != 0x40 ? 0 : -1;
}

// Cancellation points make their calls in one place, __syscall_cp_asm of musl and
// __syscall_cancel_arch of glibc 2.41, with no number in its code. What their one caller does tells
// where the number is.

// musl keeps it in a register, and compares it with close(2)'s when it is back (`nr != SYS_close`,
// src/thread/pthread_cancel.c).
inline long NumberComparedAt(const greg_t* regs, const unsigned char* back) {
  constexpr int kFar = 32;
  for (const unsigned char* at = back; at < back + kFar; ++at) {
    // cmp $3, %REGISTER
    if ((at[0] & 0xfe) != 0x48 || at[1] != 0x83 || at[3] != SYS_close) continue;
    switch (at[2] | (at[0] & 1) << 8) {
      case 0xfb:
        return regs[REG_RBX];
      case 0xfd:
        return regs[REG_RBP];
      case 0x1fc:
        return regs[REG_R12];
      case 0x1fd:
        return regs[REG_R13];
      case 0x1fe:
        return regs[REG_R14];
      case 0x1ff:
        return regs[REG_R15];
    }
  }
  return -1;
}

inline long OnStack(const greg_t* regs, long offset) {
  return *reinterpret_cast<const long*>(regs[REG_RSP] + offset);
}

// glibc has it on the stack, as the last argument of __internal_syscall_cancel
// (nptl/cancellation.c): `mov OFFSET(%rsp), %rsi` comes before the call, and between them registers
// that are moved.
inline long NumberPassedBefore(const greg_t* regs, const unsigned char* back) {
  constexpr int kMost = 6;
  const unsigned char* at = back - 5;
  if (at[0] != 0xe8) return -1;
  for (int i = 0; i < kMost && (at[-3] & 0xfa) == 0x48 && at[-2] == 0x89 && at[-1] >= 0xc0; ++i) {
    at -= 3;
  }
  constexpr unsigned char kLoad[] = {0x48, 0x8b, 0x74, 0x24};
  constexpr long kReturn = 8;
  return memcmp(at - 5, kLoad, sizeof kLoad) == 0 && at[-1] < 0x80 ? OnStack(regs, kReturn + at[-1])
                                                                   : -1;
}

inline long NumberKept(const greg_t* regs, const unsigned char* ip) {
  // mov OFFSET(%rsp), %rax; syscall: glibc's caller itself, where nothing can be cancelled.
  constexpr unsigned char kLoad[] = {0x48, 0x8b, 0x44, 0x24};
  if (memcmp(ip - 7, kLoad, sizeof kLoad) == 0 && ip[-3] < 0x80) return OnStack(regs, ip[-3]);
  // mov %r11, 8(%rsp); syscall: both libcs' one place.
  constexpr unsigned char kMade[] = {0x4c, 0x89, 0x5c, 0x24, 0x08};
  if (memcmp(ip - 7, kMade, sizeof kMade) != 0) return -1;
  const auto* back = reinterpret_cast<const unsigned char*>(OnStack(regs, 0));
  const long number = NumberPassedBefore(regs, back);
  return number < 0 ? NumberComparedAt(regs, back) : number;
}

// The number of the call that ip stands behind, if there is one and it can be known; else -1.
inline long NumberBehind(const greg_t* regs) {
  // The page before may not be mapped.
  const auto* ip = reinterpret_cast<const unsigned char*>(regs[REG_RIP]);
  constexpr uintptr_t kSmallestPage = 4096;
  if (reinterpret_cast<uintptr_t>(ip) % kSmallestPage < 7 || !IsSyscall(ip - 2)) return -1;
  const long number = NumberBefore(ip);
  return number < 0 ? NumberKept(regs, ip) : number;
}

// Where a signal met the thread, and what its registers tell of the system call that it was in. The
// kernel either backed the instruction pointer up to `syscall`, so that the call is made again, or
// left -EINTR as its result; the call's number is in a register before the call only.
inline Stop StoppedAt(const void* ucontext, Call& call) {
  const auto* regs = static_cast<const ucontext_t*>(ucontext)->uc_mcontext.gregs;
  const auto* ip = reinterpret_cast<const unsigned char*>(regs[REG_RIP]);
  call = {-1,
          {regs[REG_RDI], regs[REG_RSI], regs[REG_RDX], regs[REG_R10], regs[REG_R8], regs[REG_R9]}};
  // Byte by byte: an instruction of one byte may be the last of what is mapped.
  if (IsSyscall(ip)) {
    call.number = regs[REG_RAX];
    return Stop::kBefore;
  }
  // Only after -EINTR are the bytes before ip sure to be readable.
  if (regs[REG_RAX] != -EINTR || !IsSyscall(ip - 2)) return Stop::kRunning;
  call.number = NumberBehind(regs);
  return Stop::kCut;
}

// Of a thread that is not in a call: the number of the one that it has just come back from, if that
// is part of the code, and that call's result. The arguments are still in their registers.
inline long CameFrom(const void* ucontext) {
  return NumberBehind(static_cast<const ucontext_t*>(ucontext)->uc_mcontext.gregs);
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

// Gives a call that was cut short this result instead.
inline void SetResult(void* ucontext, long result) {
  static_cast<ucontext_t*>(ucontext)->uc_mcontext.gregs[REG_RAX] = result;
}

// Has a call that was cut short made again.
inline void MakeAgain(void* ucontext, const Call& call) {
  auto* regs = static_cast<ucontext_t*>(ucontext)->uc_mcontext.gregs;
  regs[REG_RAX] = call.number;
  regs[REG_RIP] -= 2;
}

// A user shadow stack (CET, Linux 6.6) would hold return addresses that JumpContext cannot give
// to a rebuilt thread.
inline bool HasShadowStack() {
  constexpr long kArchShstkStatus = 0x5005;
  unsigned long features = 0;
  return Sys(SYS_arch_prctl, kArchShstkStatus, &features) == 0 && (features & 1) != 0;
}

// Settings of the CPU that are a thread's own, not in its signal frame, and that a new thread takes
// from its creator: x86-64 has none.
struct CpuSettings {};
inline void ReadCpuSettings(CpuSettings&) {}
inline void WriteCpuSettings(const CpuSettings&) {}

}  // namespace livefork
