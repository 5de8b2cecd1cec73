#include "fork/history.h"

#include <cstddef>

#include "fork/park.h"

namespace livefork {
namespace {

// One place for many: what is forgotten is found out again.
constexpr size_t kPlaces = 1024;
struct Memory {
  uint64_t inode;
  Known what;
};
Memory memories[kPlaces];

uint64_t asked_since = 0;

}  // namespace

Known Remembered(uint64_t inode) {
  const Memory& memory = memories[inode % kPlaces];
  return inode != 0 && memory.inode == inode ? memory.what : Known::kNothing;
}

void Remember(uint64_t inode, Known what) {
  if (inode != 0) memories[inode % kPlaces] = {inode, what};
}

bool WorthAnotherLook() {
  constexpr uint64_t kPatience = 10000000, kForgotten = 1000000000;
  const uint64_t now = MonotonicNs();
  if (asked_since == 0 || now - asked_since > kForgotten) asked_since = now;
  if (now - asked_since < kPatience) return true;
  asked_since = 0;
  return false;
}

}  // namespace livefork
