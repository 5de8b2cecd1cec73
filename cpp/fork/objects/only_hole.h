// Makes the kernel choose a certain address where it does not allow requesting one.
#pragma once

#include <cstddef>

#include "fork/freeze/mappings.h"

namespace livefork {

// The mappings that fill the room. 64 KiB are too much for the stack, so this is in State.
struct Fillers {
  static constexpr size_t kMost = 4096;
  Range ranges[kMost];
};

// During its lifetime no page at or above `place` is free, except pages that are unmapped in this
// time. The kernel searches for room from the top down, so the next mapping without an address goes
// into the hole that the caller makes. No other thread may map anything, because this fills the
// address space.
class NoRoomAbove {
 public:
  explicit NoRoomAbove(uintptr_t place);
  NoRoomAbove(const NoRoomAbove&) = delete;
  NoRoomAbove& operator=(const NoRoomAbove&) = delete;
  ~NoRoomAbove();

 private:
  size_t count_ = 0;
};

}  // namespace livefork
