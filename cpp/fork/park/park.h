// Stops every other thread of the process and holds it until release: the parker's side (park.cc)
// and the parked threads' (parked.cc).
#pragma once

#include <sched.h>
#include <signal.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "arch.h"
#include "fork/base/arena.h"
#include "fork/base/failure.h"
#include "fork/park/confined.h"

namespace livefork {

// A call as /proc/self/task/TID/syscall shows it, with the place it is made from. The number that a
// cut call had is nowhere else, where it is not part of the code right before the instruction.
struct Seen {
  Call call;
  uintptr_t stack, place;
};

// What a thread wrote down of itself when it was parked: enough to build it again in the child.
struct Thread {
  enum State : uint32_t { kSignalled, kArriving, kParked, kGone };

  void Begin(uint32_t generation, int id) {
    tid = id;
    word.store(generation << 2 | kSignalled, std::memory_order_release);
  }
  // From one state to the next, if the record still is of this park and in that state: parker and
  // parked may both want to be the one who decides.
  bool Move(uint32_t generation, State from, State to) {
    uint32_t expected = generation << 2 | from;
    return word.compare_exchange_strong(expected, generation << 2 | to, std::memory_order_acq_rel);
  }
  uint32_t state() const { return word.load(std::memory_order_acquire) & 3; }

  std::atomic<uint32_t> word;
  int tid;
  int new_tid;      // its id in the child
  long first;       // the first argument of the call that it was last seen in (Seen)
  bool keeps_id;    // the child's record keeps the parent's id: ids.h
  Stop stop;        // where the signal met it
  uintptr_t place;  // the next instruction there
  uintptr_t stack;  // and its stack pointer
  Call call;  // the system call in which it was stopped; number -1: it was running, or not known
  uintptr_t pointer;  // thread pointer
  int* clear_tid;     // where the kernel writes 0 when it ends (set_tid_address)
  void* robust_list;
  size_t robust_size;
  char name[16];
  long affinity_size;
  unsigned long affinity[CPU_SETSIZE / (8 * sizeof(unsigned long))];
  uint32_t sched[14];  // struct sched_attr of its first version, 48 bytes, and room
  stack_t signal_stack;
  CpuSettings cpu;
  Confinement confinement;
  Context context;
};

struct Park {
  static constexpr size_t kMaxThreads = 4096;
  Thread* threads = nullptr;
  size_t count = 0;

  template <typename F>
  void Each(F f) const {
    for (size_t i = 0; i < count; ++i) {
      if (threads[i].state() == Thread::kParked) f(threads[i]);
    }
  }
};

// Blocks every signal of the calling thread, those too that libc's own
// sigprocmask leaves open; gives the old mask back at the end of the scope.
class SignalsBlocked {
 public:
  SignalsBlocked();
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked();
  // Before the end of the scope.
  void Restore();
  // They stay blocked beyond the scope; gives the mask that was before.
  uint64_t Keep() {
    kept_ = true;
    return old_;
  }

 private:
  bool kept_ = false;
  uint64_t old_;
};

// Parks all threads but the caller. task is an open /proc/self/task, or -1: those that keep an
// ancestor's id (ids.h) or did, which need no /proc to be known. On failure all are released.
// The caller has blocked its signals.
Failure ParkThreads(int task, Arena& arena, uint64_t deadline, Park& park);

// Lets the parked threads go on, and gives the parking signal back to libc.
void ReleaseThreads();

// What each parked thread does on its way out: a result below 0 counts as a failure.
using Errand = long (*)(const void* argument);

// As ReleaseThreads, but returns only when every parked thread has done the errand; how many
// failed.
size_t ReleaseOnErrand(const Park& park, Errand errand, const void* argument);

// Whether each other thread is seen asleep, one after the other; true without /proc.
bool OthersSleep();

// In the child, where the rebuilt threads go to their parking place by themselves: forget the
// parent's arrivals, then wait for n new ones.
void ExpectArrivals();
void WaitForArrivals(size_t n);

// Has a thread that waits take its own id over (ids.h), in its own time. task as above, or -1 where
// there is no /proc; pointer: its thread pointer. Returns 0 or -errno.
long AskToTakeId(int task, int tid, uintptr_t pointer);

// Describes the calling thread as a parked one.
void DescribeSelf(Thread& thread);

uint64_t MonotonicNs();

}  // namespace livefork
