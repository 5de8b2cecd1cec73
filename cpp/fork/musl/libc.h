// musl's side of what glibc/libc.h declares; the same names, told there.
#pragma once

#include <cstddef>

#include "arch.h"

namespace livefork {

// SIGSYNCCALL (src/internal/pthread_impl.h), by which setuid() and its like reach all threads:
// sigfillset() leaves 32 to 34 out, and sigaction() refuses them. musl takes the signal over at
// each such call and leaves it ignored; 33, pthread_cancel()'s, stays its own once used.
constexpr int kParkingSignal = 34;

// The record ends some 200 bytes on, at the end of the thread's memory: no more may be looked at.
constexpr size_t kUsualTid = kMuslTid;
constexpr size_t kRecordSize = 128;

}  // namespace livefork
