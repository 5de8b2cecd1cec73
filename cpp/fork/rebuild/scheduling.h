// pthread_getschedparam(pthread_self()) in a child whose threads still have their parent's ids:
// glibc asks the kernel by the id in its record, once, and then knows. V8's mutexes (abseil's, from
// Node 24) call it when they are contended, and complain on standard error when it fails, which it
// does as soon as the parent is gone.
#pragma once

#include <cstddef>
#include <cstdint>

namespace livefork {

struct Thread;

// The bits of a thread's record that say "policy and priority are known"; mask 0: not found.
struct SchedulingKnown {
  ptrdiff_t offset = 0;  // from the thread pointer
  uint32_t mask = 0;
};

// Looks on at a thread of its own what the call changes. Makes a thread, so it runs before parking.
SchedulingKnown FindSchedulingKnown();

// Marks them as known for a thread of the policy that a record begins with, SCHED_OTHER.
void RememberScheduling(const SchedulingKnown& known, const Thread& thread);

}  // namespace livefork
