// Gives the child the threads its parent had.
#pragma once

#include <cstdint>

#include "fork/base/failure.h"
#include "fork/freebsd/park.h"

namespace livefork {

// Where libthr keeps a thread's id within its record, or nullptr and what is in the way.
const char* ThreadObstacle();

// All threads parked: does the record of each hold the id that the kernel gave it?
bool RecordsHold(const Park& park);

// In the parent: the stacks on which the new threads begin. Null if memory is used up.
char* ReserveStacks(const Park& park, Region& region);

// In the child: makes the threads anew; each goes to its parking place and waits for the release.
// `self` is the forking thread.
Failure RebuildThreads(Park& park, const Thread& self, char* stacks, uint64_t deadline);

}  // namespace livefork
