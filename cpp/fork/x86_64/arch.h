// What live fork needs to know of the CPU: raw system calls, the interrupted instruction, the
// thread pointer, a saved context. binding.gyp puts the right folder on the include path.
#pragma once

#include <sys/syscall.h>
#include <ucontext.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

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

extern "C" {
// Returns 0 when it saves, 1 when JumpContext comes back to it.
int livefork_save_context(Context* context) __attribute__((returns_twice));
[[noreturn]] void livefork_jump_context(const Context* context);
// Where a signal handler returns to: rt_sigaction(2) on x86-64 has no default.
void livefork_restorer();
// clone(2) with CLONE_VM: the new thread runs entry(arg) on the given stack.
long livefork_clone_thread(unsigned long flags, void* stack_top, int* parent_tid, int* child_tid,
                           uintptr_t tls, void (*entry)(void*), void* arg);
}

inline void (*const kRestorer)() = livefork_restorer;

// clone(2) with the caller's own stack, as fork(2) does it.
inline long CloneProcess(unsigned long flags) {
  return Raw(SYS_clone, (long)flags);
}

// Was the thread interrupted while it waited in a system call? The kernel then either backed the
// instruction pointer up to `syscall` so that the call is made again, or left -EINTR as its result.
inline bool InterruptedInSyscall(const void* ucontext) {
  static constexpr unsigned char kSyscall[2] = {0x0f, 0x05};
  const auto* regs = static_cast<const ucontext_t*>(ucontext)->uc_mcontext.gregs;
  const auto* ip = reinterpret_cast<const unsigned char*>(regs[REG_RIP]);
  if (memcmp(ip, kSyscall, 2) == 0) return true;
  // Only after -EINTR are the two bytes before ip sure to be readable.
  return regs[REG_RAX] == -EINTR && memcmp(ip - 2, kSyscall, 2) == 0;
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
