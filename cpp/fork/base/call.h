// A system call, from the registers or /proc.
#pragma once

#include <cstdint>

namespace livefork {

struct Call {
  long number;  // -1: none, or not known
  long arguments[6];
};

// Where a signal interrupted a thread: between calls; before a call that is made (again) when the
// handler returns; or after a call that the signal has ended with EINTR.
enum class Stop : uint8_t { kRunning, kBefore, kCut };

}  // namespace livefork
