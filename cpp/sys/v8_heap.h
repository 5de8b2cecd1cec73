// The few words of V8's heap that no interface reaches and that a fork must not reuse: the
// generator of Math.random, and the numbers that node:crypto has generated in advance. A function
// in the heap leads to its context, and the context to them.
//
// The layout is internal to V8 and differs between its versions, so it is searched for: a result
// counts only if it matches the number that Math.random has just returned. Checked with V8 11.3
// (Node 20), 12.4 (22), 13.6 (24) and 14.6 (26), on builds without pointer compression. If nothing
// is found, lib/ uses another way.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sys {

// V8 marks a pointer into its heap by its lowest bit.
using Tagged = uintptr_t;

// xorshift128+ makes 64 numbers at a time; they are returned last one first
// (src/numbers/math-random.cc).
struct MathRandom {
  uintptr_t* index = nullptr;  // how many are left, as a Smi
  double* numbers = nullptr;
  uint64_t* state = nullptr;  // two words, never both zero

  uint32_t left() const { return static_cast<uint32_t>(*index >> 32); }
  void set_left(uint32_t count) { *index = static_cast<uintptr_t>(count) << 32; }
};

// The slots of a context. Use them before the next allocation in V8.
struct ContextSlots {
  Tagged* first = nullptr;
  size_t count = 0;
};

class V8Heap {
 public:
  static constexpr uint32_t kNumbers = 64;

  class Memory;

  // Searches for the offsets, with Math.random and the number that it has just returned.
  bool Learn(Tagged math_random, double latest);

  bool learned() const { return context_word_ != 0; }

  // The generator of the function's context; without index if it is not recognized.
  MathRandom GeneratorOf(Tagged function) const;

  // The context slots of a function.
  ContextSlots SlotsOf(Tagged function) const;

 private:
  bool LearnFrom(const Memory& memory, Tagged context, double latest);

  size_t context_word_ = 0;  // the word of a function with its context
  size_t index_slot_ = 0;    // the slot of a native context with the index; two more follow
  size_t state_slot_ = 0;
  size_t numbers_slot_ = 0;
};

}  // namespace sys
