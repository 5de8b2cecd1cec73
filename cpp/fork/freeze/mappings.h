// The address space: the mappings that a child would not inherit, and the places of the io_uring
// rings.
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

// Parses a line of /proc/self/maps: "start-end rwxp offset major:minor inode  name".
Mapping ParseMapping(const char* line);

// One of the two mappings of a ring, identified by the inode of the ring's descriptor.
struct RingMapping {
  Range range;
  uint64_t inode;
  uint64_t offset;
};

struct Mappings {
  List<Range> hidden;  // not inherited by a child; from the first mapping to the last
  List<RingMapping> rings;
};

// Makes every private mapping inheritable (V8 maps its heap MADV_DONTFORK) and remembers those that
// were not. All other threads are parked. maps is an open /proc/self/maps.
Failure ShareMappings(int maps, Arena& arena, Mappings& found);

// Restores MADV_DONTFORK, in parent and child.
void RestoreMappings(Mappings& found);

}  // namespace livefork
