// Idle threads rest. After its first park a thread that waits for work repeats its wait in the
// signal handler, where its state is saved already. The next forks take it as parked without a
// signal: to wake a thread and to put it to sleep again costs more than all that is read of it.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "fork/park/park.h"

namespace livefork {

struct Resting {
  // The thread itself leaves kResting when its wait is over. The forking thread changes kResting to
  // kHeld and back. A thread whose wait is over meanwhile changes kHeld to kWoken, and waits.
  enum Gate : uint32_t { kFree, kTaken, kResting, kHeld, kWoken };
  std::atomic<uint32_t> gate;
  uint64_t used;  // its processor time when its privileges were compared; 0: not yet
  Thread thread;
};

// Passing failures: a thread that was held has run, or the caller has changed since threads at rest
// were compared with it. The latter have to tell what they have themselves.
constexpr Failure kDisturbed{EAGAIN, "fork", "a thread at rest was disturbed", true, true};
constexpr Failure kChanged{EAGAIN, "fork", "the privileges of the caller have changed", true, true};

struct Rests {
  static constexpr size_t kMost = 1024;
  std::atomic<uint32_t> count;  // of entries that were ever in use
  // Whether the kernel measures processor time finely enough to show that a thread has run.
  std::atomic<bool> measured;
  uint64_t shared;  // of the forking thread, when they were compared: RememberCompared()
  Resting entries[kMost];
};

// Last in the signal handler of a thread that was parked in a wait without a time limit: waits
// here, and returns true when that is over. stop: before the call, or cut.
bool RestIfMay(void* ucontext, Stop stop, const Call& call);

// Takes resting threads as parked. Those whose wait cannot be confirmed are left for the signal.
// task is an open /proc/self/task.
void HoldResting(int task, uint32_t generation, Park& park);

// They have been compared with the forking thread, which has these privileges, and what else counts
// as a hash.
void RememberCompared(const Park& park, const Confinement& own, uint64_t shared);

// Whether threads may rest from now on.
void MeasureTime();

// Whether none of them has run since: neither its own code nor a signal handler.
bool RestUndisturbed(const Park& park);

// With ReleaseThreads().
void ReleaseResting();

// Whether a thread that was stopped or seen there rests. It holds no lock then.
bool RestsAt(int tid, uintptr_t place, uintptr_t stack);

// In the child, after RebuildThreads(): the resting threads have other ids there.
void AdoptResting(const Park& park);

}  // namespace livefork
