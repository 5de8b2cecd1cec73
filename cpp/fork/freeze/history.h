// Remembers whether another thread uses a socket or pipe. A thread that is parked between two calls
// does not show which socket it will read next.
#pragma once

#include <cstdint>

#include "fork/base/arena.h"
#include "fork/base/failure.h"

namespace livefork {

// By inode. The kernel counts inodes upward, and does not reuse one for a long time.
enum class Verdict : uint8_t { kNothing, kForeign, kNobodys };

Verdict Remembered(uint64_t inode);
void Remember(uint64_t inode, Verdict what);

// Objects without a known user, while a running thread may be about to wait for them.
class Doubts {
 public:
  Failure Add(uint64_t inode, Arena& arena);
  // For the first 10 ms, but at most half of the time until the deadline, it fails with `passing`,
  // so that the caller tries again. After that the objects are remembered as unused.
  Failure Settle(uint64_t deadline);

 private:
  List<uint64_t> inodes_;
};

}  // namespace livefork
