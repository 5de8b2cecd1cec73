// Stops every other thread of the process and holds it until release.
#pragma once

#include <sched.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "arch.h"
#include "fork/arena.h"
#include "fork/failure.h"

namespace livefork {

// What a thread told of itself when it was parked: enough to build it again in the child.
struct Thread {
  enum State : uint32_t { kSignalled, kArriving, kParked, kGone };

  void Begin(uint32_t generation, int id) {
    tid = id;
    call.number = -1;
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
  int new_tid;        // its id in the child
  bool waiting;       // it was stopped at a system call, see InterruptedInSyscall
  uintptr_t pointer;  // thread pointer
  int* clear_tid;     // where the kernel writes 0 when it ends (set_tid_address)
  void* robust_list;
  size_t robust_size;
  char name[16];
  long affinity_size;
  unsigned long affinity[CPU_SETSIZE / (8 * sizeof(unsigned long))];
  uint32_t sched[14];  // struct sched_attr of its first version, 48 bytes, and room
  CpuSettings cpu;
  Context context;

  struct Call {
    long number;
    long arguments[6];
  } call;  // the system call in which the thread was stopped; number is -1 if it was running or it
           // is not known
};

struct Park {
  static constexpr size_t kMaxThreads = 4096;
  Thread* threads = nullptr;
  size_t count = 0;

  // Did every thread stand at a system call? Then none is in the middle of taking or giving back
  // a lock that holds its id.
  bool AllWaiting() const;
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
  ~SignalsBlocked();

 private:
  uint64_t old_;
};

// Parks all threads but the caller. task is an open /proc/self/task. On failure all are released.
// The caller has blocked its signals.
Failure ParkThreads(int task, Arena& arena, uint64_t deadline, Park& park);

// Lets the parked threads go on, and gives the parking signal back to libc.
void ReleaseThreads();

// In the child, where the rebuilt threads go to their parking place by themselves: forget the
// parent's arrivals, then wait for n new ones.
void ExpectArrivals();
void WaitForArrivals(size_t n);

// Describes the calling thread as a parked one.
void DescribeSelf(Thread& thread);

uint64_t MonotonicNs();

}  // namespace livefork
