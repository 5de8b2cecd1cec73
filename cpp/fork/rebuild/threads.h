// Rebuilds the parent's threads in the child.
#pragma once

#include "fork/base/arena.h"
#include "fork/base/failure.h"
#include "fork/park/park.h"

namespace livefork {

// The preconditions in libc and kernel for rebuilding a thread: the offset of a thread's id in
// libc's record, and PR_GET_TID_ADDRESS. nullptr, or what is missing.
const char* ThreadObstacle();

// All threads parked: checks that libc's record of each contains its kernel id. If not, the offset
// is wrong, and the fork must fail.
Failure CheckRecords(const Park& park);

// In the parent: reserves the memory for RebuildThreads, which makes the threads in the order in
// which they were made, as far as their ids show it: a child lists them as its parent does.
bool ReserveStacks(Park& park, Arena& arena, char*& stacks);

// In the child: makes the threads. Each parks itself and waits for the release. self is the forking
// thread. Threads that CheckRecords() did not find idle keep the parent's ids in libc's records for
// now (ids.h).
Failure RebuildThreads(Park& park, const Thread& self, char* stacks);

// Waits until all threads have arrived. Before that their records and temporary stacks are in use,
// so no thread may be released, and no other fork may begin.
void AwaitThreads(const Park& park);

}  // namespace livefork
