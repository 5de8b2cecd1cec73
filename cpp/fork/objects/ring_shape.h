// Recognizes the rings of libuv.
#pragma once

#include <cstdint>

#include "fork/base/procfs.h"
#include "fork/freeze/mappings.h"

namespace livefork {

struct RingWords {
  uint32_t sq_head, sq_tail, sq_size, dropped;
  uint32_t cq_head, cq_tail, cq_size, overflow;
  uint32_t InFlight() const { return sq_head - cq_tail; }
};

// The two mappings of a ring.
struct RingPlace {
  Range ring;     // heads, tails and completions
  Range entries;  // submission entries
};

// nullptr, or the reason against. Reads the memory through a pipe, because other threads may run.
const char* ShapeObstacle(const ProcFiles& files, const RingPlace& place, RingWords& words);

}  // namespace livefork
