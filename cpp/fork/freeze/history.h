// Sockets and pipes of which it was once found out whether another thread has them. A thread that
// is between two calls when it is parked tells nothing of the socket that it will read next.
#pragma once

#include <cstdint>

#include "fork/base/arena.h"
#include "fork/base/failure.h"

namespace livefork {

// By inode, which the kernel counts upward and gives to no other socket for long.
enum class Verdict : uint8_t { kNothing, kForeign, kNobodys };

Verdict Remembered(uint64_t inode);
void Remember(uint64_t inode, Verdict what);

// What nobody is known to have, while a thread runs that may be about to wait for it.
class Doubts {
 public:
  Failure Add(uint64_t inode, Arena& arena);
  // Worth another look in a moment: for the first 10 ms of asking, but no longer than half of what
  // is left until the deadline, it fails, with passing. Then they are remembered to be nobody's.
  Failure Settle(uint64_t deadline);

 private:
  List<uint64_t> inodes_;
};

}  // namespace livefork
