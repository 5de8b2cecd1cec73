// Gives the child the threads its parent had.
#pragma once

#include "fork/base/arena.h"
#include "fork/base/failure.h"
#include "fork/park/park.h"

namespace livefork {

// What must be known of libc and kernel before a thread can be rebuilt: where libc keeps a
// thread's id, whether the kernel tells the clear-tid address. nullptr, or what is missing.
const char* ThreadObstacle();

// All threads parked: does libc's record of each hold the id that the kernel gave it? If not, the
// place it was looked for is wrong and fork must not go on.
Failure CheckRecords(const Park& park);

// Reserves what RebuildThreads needs, in the parent.
bool ReserveStacks(const Park& park, Arena& arena, char*& stacks);

// In the child: makes the threads anew; each goes to its parking place and waits for the release.
// self is the forking thread. Those that CheckRecords() did not find idle keep the parent's ids in
// libc's records for now (ids.h).
Failure RebuildThreads(Park& park, const Thread& self, char* stacks);

// Waits until all are there. Before that their records and temporary stacks are in use: nobody may
// be released, and no other fork begin.
void AwaitThreads(const Park& park);

}  // namespace livefork
