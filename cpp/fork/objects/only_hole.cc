#include "fork/objects/only_hole.h"

#include <sys/mman.h>
#include <unistd.h>

#include "arch.h"
#include "fork/state.h"

namespace livefork {

// A filler without access and reserve costs only an entry in the kernel's list of mappings.
NoRoomAbove::NoRoomAbove(uintptr_t place) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  size_t size = size_t{1} << 46;
  while (size >= page && count_ < Fillers::kMost) {
    long p =
        Sys(SYS_mmap, nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    const bool refused = p < 0 && p > -4096;
    const auto at = static_cast<uintptr_t>(p);
    if (!refused && at >= place) {
      state.fillers.ranges[count_++] = {at, at + size};
      continue;
    }
    // No hole above has this size.
    if (!refused) Sys(SYS_munmap, at, size);
    size /= 2;
  }
}

NoRoomAbove::~NoRoomAbove() {
  for (size_t i = 0; i < count_; ++i) {
    const Range& filler = state.fillers.ranges[i];
    Sys(SYS_munmap, filler.start, filler.end - filler.start);
  }
}

}  // namespace livefork
