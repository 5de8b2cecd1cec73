// Rebuilds the parent's threads in the child.
#pragma once

#include <cstdint>

#include "fork/base/failure.h"
#include "fork/freebsd/park.h"

namespace livefork {

// nullptr if the offset of a thread's id in libthr's record is found, or the obstacle.
const char* ThreadObstacle();

// All threads parked: whether each record contains the thread's kernel id.
bool RecordsHold(const Park& park);

// In the parent: the stacks on which the new threads start; nullptr if memory is exhausted.
char* ReserveStacks(const Park& park, Region& region);

// In the child: makes the threads. Each parks itself and waits for the release. `self` is the
// forking thread.
Failure RebuildThreads(Park& park, const Thread& self, char* stacks, uint64_t deadline);

}  // namespace livefork
