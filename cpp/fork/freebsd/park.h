// Stops every other thread of the process and holds it until release.
#pragma once

#include <setjmp.h>
#include <signal.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "fork/base/failure.h"
#include "fork/freebsd/region.h"

namespace livefork {

// The state that a thread recorded when it was parked: sufficient to rebuild it in the child.
struct Thread {
  enum State : uint32_t { kUnused, kSignalled, kArriving, kParked, kGone };
  std::atomic<uint32_t> state;
  long id;
  bool waiting;       // it was stopped at a system call that is not for a mutex
  uintptr_t pointer;  // thread pointer
  char* record;       // libthr's struct pthread
  stack_t altstack;
  char name[36];
  // libc's own _setjmp saves the same on every CPU, and does not check the stack to which it
  // returns.
  jmp_buf context;
};

struct Park {
  static constexpr size_t kMaxThreads = 4096;
  Thread* threads = nullptr;
  std::atomic<size_t> count{0};

  template <typename F>
  void Each(F f) const {
    for (size_t i = 0; i < count; ++i) {
      if (threads[i].state == Thread::kParked) f(threads[i]);
    }
  }
};

// Blocks every signal of the calling thread, including SIGTHR, which libthr's own calls do not
// block.
class SignalsBlocked {
 public:
  SignalsBlocked();
  ~SignalsBlocked();

 private:
  sigset_t old_;
};

// nullptr if SIGTHR is available, or the obstacle.
const char* ParkObstacle();

// Parks all threads except the caller, each at a system call. The caller has blocked its signals.
// On failure all are released.
Failure ParkThreads(Park& park, Region& region, uint64_t deadline);

// Releases the parked threads, and returns SIGTHR to libthr.
void ReleaseThreads();

// In the child: expects rebuilt threads, which park themselves.
void ExpectArrivals();
bool AwaitArrivals(size_t count, uint64_t deadline);

// Describes the calling thread as a parked one.
void DescribeSelf(Thread& thread);

uint64_t MonotonicNs();

}  // namespace livefork
