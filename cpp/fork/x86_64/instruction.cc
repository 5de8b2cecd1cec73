// Intel's manual, volume 2, chapter 2 (formats) and appendix A (opcodes).
#include "instruction.h"

#include <cstring>

namespace livefork {
namespace {

// The target of an opcode: nothing, the register of ModRM.reg, or the register or memory of
// ModRM.rm.
enum class Writes : uint8_t { kUnknown, kNothing, kReg, kRm };

// ModRM with its operands.
struct Operands {
  int length, reg, rm;
  bool memory;

  Operands(const unsigned char* at, int rex) {
    const int mod = at[0] >> 6;
    const int low = at[0] & 7;
    reg = (at[0] >> 3 & 7) | (rex & 4) << 1;
    rm = low | (rex & 1) << 3;
    memory = mod != 3;
    length = 1;
    if (!memory) return;
    const int base = low == 4 ? at[length++] & 7 : low;
    if (mod == 1) length += 1;
    if (mod == 2 || (mod == 0 && base == 5)) length += 4;
  }
};

Writes OfTwoBytes(int opcode) {
  switch (opcode) {
    case 0x1e:  // endbr64
    case 0x1f:  // nop
    case 0x10:  // from here on: moves and clearing of vector registers
    case 0x11:
    case 0x16:
    case 0x17:
    case 0x28:
    case 0x29:
    case 0x57:
    case 0x6c:
    case 0x6f:
    case 0x7f:
    case 0xef:
      return Writes::kNothing;
    case 0xaf:  // imul
    case 0xb6:  // movzx, movsx
    case 0xb7:
    case 0xbe:
    case 0xbf:
      return Writes::kReg;
    default:
      if ((opcode & 0xf0) == 0x40) return Writes::kReg;                 // cmov
      return (opcode & 0xf0) == 0x90 ? Writes::kRm : Writes::kUnknown;  // set
  }
}

// The groups with a constant after the operands: kind is ModRM.reg, size that of the operands.
Writes OfGroup(int opcode, int kind, int size, int& constant) {
  constexpr int kCompare = 7, kTest = 0, kNot = 2, kNegate = 3;
  switch (opcode) {
    case 0x80:
    case 0x83:
      constant = 1;
      return kind == kCompare ? Writes::kNothing : Writes::kRm;
    case 0x81:
      constant = size;
      return kind == kCompare ? Writes::kNothing : Writes::kRm;
    case 0xc0:
    case 0xc1:
    case 0xc6:
      constant = 1;
      return Writes::kRm;
    case 0xc7:
      constant = size;
      return kind == 0 ? Writes::kRm : Writes::kUnknown;
    case 0xd1:
      return Writes::kRm;
    case 0xf7:
      constant = kind == kTest ? size : 0;
      if (kind == kTest) return Writes::kNothing;
      return kind == kNot || kind == kNegate ? Writes::kRm : Writes::kUnknown;
    default:
      return Writes::kUnknown;
  }
}

Writes OfOneByte(int opcode) {
  // add, or, adc, sbb, and, sub, xor and cmp, to memory or register and from it
  if (opcode < 0x40 && (opcode & 7) < 4) {
    if (opcode >= 0x38) return Writes::kNothing;
    return (opcode & 2) != 0 ? Writes::kReg : Writes::kRm;
  }
  switch (opcode) {
    case 0x84:  // test
    case 0x85:
      return Writes::kNothing;
    case 0x88:  // mov
    case 0x89:
      return Writes::kRm;
    case 0x8a:
    case 0x8b:
    case 0x63:  // movsxd
    case 0x8d:  // lea
      return Writes::kReg;
    default:
      return Writes::kUnknown;
  }
}

bool IsXor(int opcode) {
  return opcode == 0x31 || opcode == 0x33;
}

bool IsMove(int opcode) {
  return opcode == 0x89 || opcode == 0x8b;
}

struct Prefixes {
  bool narrow = false;  // 16 bits
  int rex = 0;

  const unsigned char* Read(const unsigned char* at) {
    // Operand size, segments fs and cs, and the two that select vector moves. The longest nops of
    // compilers have no more prefixes.
    for (int i = 0; i < 4 && (*at == 0x66 || *at == 0x64 || *at == 0x2e || *at >> 1 == 0x79); ++i) {
      narrow = narrow || *at == 0x66;
      ++at;
    }
    if ((*at & 0xf0) == 0x40) rex = *at++;
    return at;
  }
  bool wide() const { return (rex & 8) != 0; }
};

int32_t Int32(const unsigned char* at) {
  int32_t value;
  memcpy(&value, at, sizeof value);
  return value;
}

// mov $constant, %register; push and pop; nop
bool IsShort(const unsigned char*& at, const Prefixes& prefixes, Instruction& result) {
  const int opcode = at[0];
  const int reg = (opcode & 7) | (prefixes.rex & 1) << 3;
  if (opcode == 0x90 && (prefixes.rex & 1) == 0) {
    at += 1;
  } else if (opcode >> 3 == 0x50 >> 3) {
    at += 1;
    result.written = kRsp;
  } else if (opcode >> 3 == 0x58 >> 3) {
    at += 1;
    result.written = reg;
  } else if (opcode >> 3 == 0xb8 >> 3) {
    result.written = reg;
    if (!prefixes.wide() && !prefixes.narrow) result.constant = Int32(at + 1);
    at += 1 + (prefixes.wide() ? 8 : prefixes.narrow ? 2 : 4);
  } else {
    return false;
  }
  return true;
}

// The other instructions, with operands.
bool ReadOperands(const unsigned char*& at, const Prefixes& prefixes, Instruction& result) {
  const bool two = at[0] == 0x0f;
  if (two) ++at;
  const int opcode = *at++;
  const Operands operands(at, prefixes.rex);
  int constant = 0;
  Writes writes = two ? OfTwoBytes(opcode) : OfOneByte(opcode);
  if (!two && writes == Writes::kUnknown) {
    writes = OfGroup(opcode, operands.reg & 7, prefixes.narrow ? 2 : 4, constant);
  }
  at += operands.length + constant;
  if (writes == Writes::kUnknown) return false;
  if (writes == Writes::kReg) result.written = operands.reg;
  if (writes == Writes::kRm && !operands.memory) result.written = operands.rm;
  const bool whole = !two && !prefixes.narrow && !operands.memory;
  if (whole && IsMove(opcode)) result.from = opcode == 0x89 ? operands.reg : operands.rm;
  if (whole && IsXor(opcode) && operands.reg == operands.rm) result.constant = 0;
  if (whole && opcode == 0xc7) result.constant = Int32(at - 4);
  return true;
}

// Without REX, the upper four byte registers are parts of rax, rcx, rdx and rbx.
bool IsOfBytes(const unsigned char* at) {
  return at[0] == 0x0f ? (at[1] & 0xf0) == 0x90
                       : (at[0] & 1) == 0 && at[0] != 0x90 && (at[0] & 0xf0) != 0xb0 &&
                             (at[0] & 0xf0) != 0x50;
}

}  // namespace

Instruction ReadInstruction(const unsigned char* at) {
  Prefixes prefixes;
  Instruction result;
  const unsigned char* end = prefixes.Read(at);
  const bool bytes = IsOfBytes(end);
  if (!IsShort(end, prefixes, result) && !ReadOperands(end, prefixes, result)) return {};
  if (bytes && prefixes.rex == 0 && result.written > kNone) result.written &= 3;
  const auto length = static_cast<int>(end - at);
  if (length > Instruction::kLongest) return {};
  result.length = length;
  return result;
}

}  // namespace livefork
