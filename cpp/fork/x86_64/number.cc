#include "number.h"

#include <signal.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>

#include "arch.h"
#include "instruction.h"

namespace livefork {
namespace {

constexpr uintptr_t kSmallestPage = 4096;
constexpr long kMostNumber = 1023;
constexpr uintptr_t kSyscallSize = 2;

// Tests without a SIGSEGV: the kernel reads the new mask before it checks the other arguments.
bool IsReadable(uintptr_t at) {
  constexpr int kNothing = -1;
  const uintptr_t word = at & ~(sizeof(uint64_t) - 1);
  return Sys(SYS_rt_sigprocmask, kNothing, word, nullptr, sizeof(uint64_t)) == -EINVAL;
}

// The bytes before an address that follows code.
class Line {
 public:
  // musl's syscall(2) has 100 bytes.
  static constexpr size_t kFar = 112;

  explicit Line(const unsigned char* end) {
    const size_t in_page = reinterpret_cast<uintptr_t>(end) % kSmallestPage;
    // The page before may not be mapped.
    const bool far = in_page >= kFar || IsReadable(reinterpret_cast<uintptr_t>(end) - kFar);
    size_ = far ? kFar : in_page;
    memcpy(bytes_, end - size_, size_);
  }
  void Drop(size_t n) { size_ -= n; }
  size_t size() const { return size_; }
  const unsigned char* begin() const { return bytes_; }
  const unsigned char* end() const { return bytes_ + size_; }
  bool EndsWith(const unsigned char* bytes, size_t size) const {
    return size_ >= size && memcmp(end() - size, bytes, size) == 0;
  }

 private:
  size_t size_;
  unsigned char bytes_[kFar + Instruction::kLongest + 1] = {};
};

template <size_t N>
bool EndsWith(const Line& line, const unsigned char (&bytes)[N]) {
  return line.EndsWith(bytes, N);
}

long OnStack(const greg_t* regs, long offset) {
  return *reinterpret_cast<const long*>(regs[REG_RSP] + offset);
}

// The registers that the kernel preserves, except the stack pointer, which is never a number.
constexpr unsigned kKept = 0xffff & ~(1u << kRax | 1u << kRcx | 1u << kRsp | 1u << kR11);
// The registers that a function preserves: rbx, rbp, r12 to r15.
constexpr unsigned kPreserved = 1u << 3 | 1u << 5 | 0xf000;

long ValueNow(const greg_t* regs, int reg) {
  constexpr int kIndex[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                            REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  return regs[kIndex[reg]];
}

// Follows a value through a straight line of code. holders are the registers with the value at the
// beginning; returns those at the end; 0: none, or unknown. source must not be overwritten.
unsigned HoldersAtEnd(const unsigned char* at, const Line& line, unsigned holders, int source) {
  while (at < line.end() && holders != 0) {
    const Instruction next = ReadInstruction(at);
    if (next.length == 0) return 0;
    at += next.length;
    if (next.written < 0) continue;
    if (next.written == source) return 0;
    const bool gets = next.from >= 0 && (holders >> next.from & 1) != 0;
    holders = gets ? holders | 1u << next.written : holders & ~(1u << next.written);
  }
  return at == line.end() ? holders : 0;
}

// The value in the wanted register after a line that begins here: a constant, or the value of a
// register that still has it (one of kept).
long Leaves(const greg_t* regs, const Line& line, const unsigned char* at, int wanted,
            unsigned kept) {
  const Instruction first = ReadInstruction(at);
  if (first.length == 0 || first.written < 0) return -1;
  const bool copies = first.from >= 0 && (kept >> first.from & 1) != 0;
  if (first.constant < 0 && !copies) return -1;
  const int source = copies ? first.from : kNone;
  const unsigned holders = HoldersAtEnd(at + first.length, line, 1u << first.written, source);
  if ((holders >> wanted & 1) == 0) return -1;
  return copies ? ValueNow(regs, first.from) : first.constant;
}

// It is not known where instructions begin, so every position is tried. A number counts if no other
// is found.
long NumberIn(const greg_t* regs, const Line& line, int wanted, unsigned kept) {
  long number = -1;
  for (const unsigned char* at = line.begin(); at < line.end(); ++at) {
    if (at > line.begin() && MayBeRenamed(at)) continue;
    const long found = Leaves(regs, line, at, wanted, kept);
    if (found < 0 || found > kMostNumber) continue;
    if (number >= 0 && number != found) return -1;
    number = found;
  }
  return number;
}

// `mov $number, %eax`, or `xor %eax, %eax` for read(2), right before the instruction.
long NumberRightBefore(const Line& line) {
  if (line.size() < 6) return -1;
  const unsigned char* end = line.end();
  uint32_t number;
  memcpy(&number, end - 4, sizeof number);
  if (end[-5] == 0xb8 && !MayBeRenamed(end - 5)) return number;
  return end[-2] == 0x31 && end[-1] == 0xc0 && !MayBeRenamed(end - 2) ? 0 : -1;
}

// All cancellation points make their calls in one place, __syscall_cp_asm of musl and
// __syscall_cancel_arch of glibc 2.41, whose code has no number. The code of the only caller shows
// where the number is.

// musl keeps it in a register, and compares it with close(2)'s after the return (`nr != SYS_close`,
// src/thread/pthread_cancel.c).
long NumberComparedAt(const greg_t* regs, const unsigned char* back) {
  constexpr int kNear = 32;
  for (const unsigned char* at = back; at < back + kNear; ++at) {
    // cmp $3, %REGISTER
    if ((at[0] & 0xfe) != 0x48 || at[1] != 0x83 || at[3] != SYS_close || at[2] >> 3 != 0x1f) {
      continue;
    }
    const int reg = (at[2] & 7) | (at[0] & 1) << 3;
    if ((kPreserved >> reg & 1) != 0) return ValueNow(regs, reg);
  }
  return -1;
}

// glibc has it on the stack, as the last argument of __internal_syscall_cancel
// (nptl/cancellation.c): `mov OFFSET(%rsp), %rsi` comes before the call, with moves of registers in
// between.
long NumberPassedBefore(const greg_t* regs, const unsigned char* back) {
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

long NumberKept(const greg_t* regs, const Line& line) {
  if (line.size() < 5) return -1;
  // mov OFFSET(%rsp), %rax; syscall: glibc's caller itself, if cancellation is not possible.
  constexpr unsigned char kLoad[] = {0x48, 0x8b, 0x44, 0x24};
  if (memcmp(line.end() - 5, kLoad, sizeof kLoad) == 0 && line.end()[-1] < 0x80) {
    return OnStack(regs, line.end()[-1]);
  }
  // mov %r11, 8(%rsp); syscall: the single place in both libcs.
  constexpr unsigned char kMade[] = {0x4c, 0x89, 0x5c, 0x24, 0x08};
  if (!EndsWith(line, kMade)) return -1;
  const auto* back = reinterpret_cast<const unsigned char*>(OnStack(regs, 0));
  const long number = NumberPassedBefore(regs, back);
  return number < 0 ? NumberComparedAt(regs, back) : number;
}

// Whether a call reached the function by a stub of the linker, `jmp *slot(%rip)`, or directly.
bool LeadsTo(uintptr_t slot, uintptr_t function) {
  return slot % sizeof slot == 0 && IsReadable(slot) &&
         *reinterpret_cast<const uintptr_t*>(slot) == function;
}

bool IsStubOf(uintptr_t stub, uintptr_t function) {
  if (!IsReadable(stub) || !IsReadable(stub + sizeof(uint64_t))) return false;
  const auto* at = reinterpret_cast<const unsigned char*>(stub);
  constexpr unsigned char kBranchTarget[] = {0xf3, 0x0f, 0x1e, 0xfa};
  if (memcmp(at, kBranchTarget, sizeof kBranchTarget) == 0) at += sizeof kBranchTarget;
  if (*at == 0xf2) ++at;
  if (at[0] != 0xff || at[1] != 0x25) return false;
  int32_t distance;
  memcpy(&distance, at + 2, sizeof distance);
  return LeadsTo(reinterpret_cast<uintptr_t>(at) + 6 + static_cast<uintptr_t>(distance), function);
}

// The number that was the first argument of a function whose call is right before `back`.
long NumberPassedTo(const greg_t* regs, uintptr_t function, uintptr_t back) {
  if (!IsReadable(back - 1)) return -1;
  Line line(reinterpret_cast<const unsigned char*>(back));
  if (line.size() < 6) return -1;
  const unsigned char* end = line.end();
  int32_t distance;
  memcpy(&distance, end - 4, sizeof distance);
  const uintptr_t to = back + static_cast<uintptr_t>(distance);
  const bool direct = end[-5] == 0xe8 && (to == function || IsStubOf(to, function));
  if (!direct && !(end[-6] == 0xff && end[-5] == 0x15 && LeadsTo(to, function))) return -1;
  line.Drop(direct ? 5 : 6);
  return NumberIn(regs, line, kRdi, kPreserved);
}

// libc's syscall(2), and other functions with the number as first argument, whose register now has
// another argument. The caller has set the first argument, if it made the call: code that jumped to
// the function leaves nothing on the stack. So the caller must call this function.
long NumberAskedFor(const greg_t* regs, const Line& line) {
  constexpr unsigned char kBranchTarget[] = {0xf3, 0x0f, 0x1e, 0xfa};
  constexpr unsigned char kFrame[] = {0x48, 0x83, 0xec};  // sub $SIZE, %rsp
  for (const unsigned char* begin = line.begin(); begin < line.end(); ++begin) {
    const unsigned char* at = begin;
    if (memcmp(at, kBranchTarget, sizeof kBranchTarget) == 0) at += sizeof kBranchTarget;
    long frame = 0;
    if (memcmp(at, kFrame, sizeof kFrame) == 0) {
      frame = at[3];
      at += sizeof kFrame + 1;
    }
    if (frame >= 0x80 || frame % 8 != 0 ||
        (HoldersAtEnd(at, line, 1u << kRdi, kRsp) >> kRax & 1) == 0)
      continue;
    if (!IsReadable(static_cast<uintptr_t>(regs[REG_RSP] + frame))) continue;
    const auto back = static_cast<uintptr_t>(OnStack(regs, frame));
    const auto length = static_cast<uintptr_t>(line.end() - begin);
    const auto code = static_cast<uintptr_t>(regs[REG_RIP]) - kSyscallSize;
    const long number = NumberPassedTo(regs, code - length, back);
    if (number >= 0) return number;
  }
  return -1;
}

}  // namespace

long NumberBehind(const greg_t* regs) {
  const auto* ip = reinterpret_cast<const unsigned char*>(regs[REG_RIP]);
  const auto at = reinterpret_cast<uintptr_t>(ip);
  if (at % kSmallestPage < kSyscallSize && !IsReadable(at - kSyscallSize)) return -1;
  if (!IsSyscall(ip - kSyscallSize)) return -1;
  const Line line(ip - kSyscallSize);
  long number = NumberRightBefore(line);
  if (number < 0) number = NumberKept(regs, line);
  if (number < 0) number = NumberIn(regs, line, kRax, kKept);
  return number < 0 ? NumberAskedFor(regs, line) : number;
}

}  // namespace livefork
