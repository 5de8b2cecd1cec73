// The address space: which mappings a child would not get, and where the io_uring rings are.
#pragma once

#include <cstdint>

#include "fork/base/arena.h"
#include "fork/base/failure.h"

namespace livefork {

struct Range {
  uintptr_t start, end;
};

struct Mapping {
  Range range;
  bool is_private;
  uint64_t offset;
  uint64_t inode;
  const char* name;
};

// Of a line of /proc/self/maps: "start-end rwxp offset major:minor inode  name".
Mapping ParseMapping(const char* line);

// One of the two mappings of a ring, by the inode that the ring's descriptor has.
struct RingMapping {
  Range range;
  uint64_t inode;
  uint64_t offset;
};

struct Mappings {
  List<Range> hidden;  // what a child would not get, from the first of its mappings to the last
  List<RingMapping> rings;
};

// Makes every private mapping one that a child inherits (V8 maps its heap MADV_DONTFORK) and
// remembers those that were not. All other threads are parked. maps is an open /proc/self/maps.
Failure ShareMappings(int maps, Arena& arena, Mappings& found);

// Puts MADV_DONTFORK back, in parent and child alike.
void RestoreMappings(Mappings& found);

}  // namespace livefork
