// Reading machine code that runs in a straight line: how long an instruction is, and what it does
// to the general registers.
#pragma once

#include <cstdint>

namespace livefork {

// Numbered as in the code: rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8 to r15.
enum Register : int { kNone = -1, kRax = 0, kRcx = 1, kRsp = 4, kRdi = 7, kR11 = 11 };

struct Instruction {
  static constexpr int kLongest = 15;
  int length = 0;         // 0: not one of those that are known here; then the rest says nothing
  int written = kNone;    // the register that has another value then
  int from = kNone;       // it has this one's, all of it
  int64_t constant = -1;  // or this, if it is not negative
};

// The moves and the arithmetic that compilers put between the number of a system call and
// `syscall`; nothing that jumps, calls or returns. at: kLongest bytes.
Instruction ReadInstruction(const unsigned char* at);

// Whether the byte before an instruction may belong to it: as a prefix (REX) that makes other
// registers of those in it.
inline bool MayBeRenamed(const unsigned char* at) {
  const int those = (at[0] & 0xf8) == 0xb8 ? 1 : 5;  // mov $constant, %register has one
  return (at[-1] & 0xf0) == 0x40 && (at[-1] & those) != 0;
}

}  // namespace livefork
