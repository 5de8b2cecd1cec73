// io_uring rings (libuv has one per loop for epoll_ctl): the child gets a private ring at the same
// descriptor and the same two addresses.
#pragma once

#include <cstdint>

#include "fork/base/arena.h"
#include "fork/base/failure.h"
#include "fork/base/procfs.h"
#include "fork/freeze/mappings.h"
#include "fork/objects/ring_shape.h"

namespace livefork {

// A ring over our own memory cannot be mapped a second time, and no mapping has its name. So the
// process must remember its place. This is plain memory, so it survives a fork.
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
  uint32_t pending;  // queued entries that are not submitted yet
  const void* copy;  // of the submission entries, if any is pending
  bool exact;        // a thread may hold one of its counters in a register
};

// The reason why a ring of this process cannot be carried into a child, or nullptr. Other threads
// run at the same time and use their rings.
const char* AnyRingObstacle(const ProcFiles& files);

// In the parent, all threads parked: describes the place of the ring and its pending entries. Only
// rings that libuv makes for epoll_ctl(2) are carried.
Failure DescribeRing(Ring& ring, const ProcFiles& files, Mappings& mappings, Arena& arena);

// In the child: makes the ring at its place.
Failure RebuildRing(const Ring& ring);

}  // namespace livefork
