// Waits at a word of this process, and wakes all that wait there. ns 0: without a limit.
#pragma once

#include <linux/futex.h>
#include <time.h>

#include <atomic>
#include <cstdint>

#include "arch.h"

namespace livefork {

inline long FutexWait(std::atomic<uint32_t>& word, uint32_t value, uint64_t ns) {
  timespec timeout{static_cast<time_t>(ns / 1000000000), static_cast<long>(ns % 1000000000)};
  return Sys(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, ns == 0 ? nullptr : &timeout);
}

inline void FutexWake(std::atomic<uint32_t>& word) {
  Sys(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT32_MAX);
}

}  // namespace livefork
