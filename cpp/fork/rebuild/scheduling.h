// pthread_getschedparam(pthread_self()) in a child whose threads still have their parent's ids.
// glibc asks the kernel once, by the id in its record, and stores the result. V8's mutexes
// (abseil's, from Node 24) call it when they are contended, and print an error when it fails, which
// happens when the parent has ended.
#pragma once

#include <cstddef>
#include <cstdint>

namespace livefork {

struct Thread;

// The bits of a thread's record that mean "policy and priority are known"; mask 0: not found.
struct SchedulingKnown {
  ptrdiff_t offset = 0;  // from the thread pointer
  uint32_t mask = 0;
};

// Finds what the call changes in the record of a test thread. Call it before the threads are
// parked.
SchedulingKnown FindSchedulingKnown();

// Marks them as known for a thread with the initial policy of a record, SCHED_OTHER.
void RememberScheduling(const SchedulingKnown& known, const Thread& thread);

}  // namespace livefork
