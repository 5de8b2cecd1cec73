// io_uring rings (libuv keeps one per loop for epoll_ctl): a private one in the child, at the same
// descriptor and the same two addresses.
#pragma once

#include <cstdint>

#include "fork/base/arena.h"
#include "fork/base/failure.h"
#include "fork/base/procfs.h"
#include "fork/freeze/mappings.h"
#include "fork/objects/ring_shape.h"

namespace livefork {

// A ring over our own memory cannot be mapped a second time and has no mapping of its name, so
// the process that has one must remember where it lies. Survives fork: it is plain memory.
struct KnownRing {
  int fd;
  uint64_t inode;  // 0: free
  RingPlace place;
};
struct KnownRings {
  KnownRing known[256];
};

struct Ring {
  int fd;
  uint64_t inode;
  Range ring;     // heads, tails and completions
  Range entries;  // submission entries
  uint32_t sq_size, cq_size;
  uint32_t head;     // of the submission queue
  uint32_t pending;  // entries queued there and not yet submitted
  const void* copy;  // of the submission entries, if any is pending
  bool exact;        // a thread may hold one of its counters in a register
};

// Why some ring of this process cannot be carried into a child, or nullptr. Other threads run
// meanwhile, and use theirs.
const char* AnyRingObstacle(const ProcFiles& files);

// In the parent, all threads parked: where the ring is and what is pending in it. Only the rings
// are carried that libuv makes for epoll_ctl(2).
Failure DescribeRing(Ring& ring, const ProcFiles& files, Mappings& mappings, Arena& arena);

// In the child: the ring at its place.
Failure RebuildRing(const Ring& ring);

}  // namespace livefork
