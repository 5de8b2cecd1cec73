// Reads straight-line machine code: the length of an instruction, and its effect on the general
// registers.
#pragma once

#include <cstdint>

namespace livefork {

// Numbered as in machine code: rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8 to r15.
enum Register : int { kNone = -1, kRax = 0, kRcx = 1, kRsp = 4, kRdi = 7, kR11 = 11 };

struct Instruction {
  static constexpr int kLongest = 15;
  int length = 0;         // 0: an unknown instruction; then the rest is not valid
  int written = kNone;    // the register that it changes
  int from = kNone;       // the register whose whole value it gets
  int64_t constant = -1;  // or the constant that it gets, if not negative
};

// The moves and the arithmetic that compilers put between the number of a system call and
// `syscall`; nothing that jumps, calls or returns. at: kLongest bytes.
Instruction ReadInstruction(const unsigned char* at);

// Whether the byte before an instruction may belong to it, as a REX prefix that changes its
// registers.
inline bool MayBeRenamed(const unsigned char* at) {
  const int those = (at[0] & 0xf8) == 0xb8 ? 1 : 5;  // mov $constant, %register has one
  return (at[-1] & 0xf0) == 0x40 && (at[-1] & those) != 0;
}

}  // namespace livefork
