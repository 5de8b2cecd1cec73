#include "fork/freeze/history.h"

#include <cstddef>

#include "fork/park/park.h"

namespace livefork {
namespace {

// Several inodes share a slot: a lost entry is determined again.
constexpr size_t kPlaces = 1024;
struct Memory {
  uint64_t inode;
  Verdict what;
};
Memory memories[kPlaces];

// When the fork with this deadline first had a doubt. One attempt may take longer than the
// patience.
uint64_t asked_since = 0, asked_by = 0;

}  // namespace

Verdict Remembered(uint64_t inode) {
  const Memory& memory = memories[inode % kPlaces];
  return inode != 0 && memory.inode == inode ? memory.what : Verdict::kNothing;
}

void Remember(uint64_t inode, Verdict what) {
  if (inode != 0) memories[inode % kPlaces] = {inode, what};
}

Failure Doubts::Add(uint64_t inode, Arena& arena) {
  if (Remembered(inode) == Verdict::kNobodys) return {};
  uint64_t* kept = inodes_.Add(arena);
  if (kept == nullptr) return kArenaFull;
  *kept = inode;
  return {};
}

Failure Doubts::Settle(uint64_t deadline) {
  constexpr uint64_t kPatience = 10000000;
  if (inodes_.size() == 0) return {};
  const uint64_t now = MonotonicNs();
  if (asked_by != deadline) {
    asked_by = deadline;
    asked_since = now;
  }
  const bool time = now < deadline && now - asked_since < (deadline - now) / 2;
  if (time && now - asked_since < kPatience) {
    return {EAGAIN, "fork", "a thread may be about to wait on a socket or pipe", true};
  }
  asked_by = 0;
  for (const uint64_t inode : inodes_) Remember(inode, Verdict::kNobodys);
  return {};
}

}  // namespace livefork
