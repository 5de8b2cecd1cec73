// Makes the kernel choose a given address by itself, where it lets nobody ask for one.
#pragma once

#include <cstddef>

#include "fork/freeze/mappings.h"

namespace livefork {

// What fills the room. 64 KiB are too much for the stack: it is in State.
struct Fillers {
  static constexpr size_t kMost = 4096;
  Range ranges[kMost];
};

// While it lives no free page lies at or above `place` but those that are unmapped meanwhile. The
// kernel looks for room from the top down, so the next mapping of no given address goes into the
// hole that the caller makes. Only while no other thread maps anything: it fills the
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
