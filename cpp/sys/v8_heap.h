// The few words of V8's heap that no interface reaches and a copy of the process must not go on
// with: the generator of Math.random, and what the closures of node:crypto have drawn in advance. A
// function's place in the heap leads to its context, and that to them.
//
// The layout is V8's own business and differs between its versions, so it is looked for, not known:
// found is only what has proved itself by the number that Math.random has just given. Checked with
// V8 11.3 (Node 20), 12.4 (22), 13.6 (24) and 14.6 (26), on builds without pointer compression.
// Where nothing is found, lib/ goes another way.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sys {

// V8 marks a pointer into its heap by its lowest bit.
using Tagged = uintptr_t;

// xorshift128+ hands out 64 numbers at a time, the last one first (src/numbers/math-random.cc).
struct MathRandom {
  uintptr_t* index = nullptr;  // how many are left, a small integer
  double* numbers = nullptr;
  uint64_t* state = nullptr;  // two words, never both zero

  uint32_t left() const { return static_cast<uint32_t>(*index >> 32); }
  void set_left(uint32_t count) { *index = static_cast<uintptr_t>(count) << 32; }
};

// The slots of a context, to be used before the next allocation in V8.
struct ContextSlots {
  Tagged* first = nullptr;
  size_t count = 0;
};

class V8Heap {
 public:
  static constexpr uint32_t kNumbers = 64;

  class Memory;

  // Looks for the places, given Math.random and the number it has just returned.
  bool Learn(Tagged math_random, double latest);

  bool learned() const { return context_word_ != 0; }

  // That of the context that the function belongs to; without index if it does not look like one.
  MathRandom GeneratorOf(Tagged function) const;

  // What a function closes over.
  ContextSlots SlotsOf(Tagged function) const;

 private:
  bool LearnFrom(const Memory& memory, Tagged context, double latest);

  size_t context_word_ = 0;  // which word of a function is its context
  size_t index_slot_ = 0;    // which slot of a native context is the index; two more follow it
  size_t state_slot_ = 0;
  size_t numbers_slot_ = 0;
};

}  // namespace sys
