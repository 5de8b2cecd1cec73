// A system call as the registers and /proc tell it.
#pragma once

#include <cstdint>

namespace livefork {

struct Call {
  long number;  // -1: none, or not known
  long arguments[6];
};

// Where a signal met a thread: between calls, at a call that is made (again) when the handler
// returns, or behind one that the signal has cut short with EINTR.
enum class Stop : uint8_t { kRunning, kBefore, kCut };

}  // namespace livefork
