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

// What a thread told of itself when it was parked: enough to build it again in the child.
struct Thread {
  enum State : uint32_t { kUnused, kSignalled, kArriving, kParked, kGone };
  std::atomic<uint32_t> state;
  long id;
  bool waiting;       // it was stopped at a system call, of none for a mutex
  uintptr_t pointer;  // thread pointer
  char* record;       // libthr's struct pthread
  stack_t altstack;
  char name[36];
  // libc's own _setjmp keeps the same on every CPU, and neither checks the stack it goes back to.
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

// Blocks every signal of the calling thread, SIGTHR too, which libthr's own calls leave open.
class SignalsBlocked {
 public:
  SignalsBlocked();
  ~SignalsBlocked();

 private:
  sigset_t old_;
};

// Can SIGTHR be had? nullptr, or what is in the way.
const char* ParkObstacle();

// Parks all threads but the caller, who has blocked its signals; each at a system call. On failure
// all are released.
Failure ParkThreads(Park& park, Region& region, uint64_t deadline);

// Lets the parked threads go on, and gives SIGTHR back to libthr.
void ReleaseThreads();

// In the child, where rebuilt threads go to their parking place by themselves.
void ExpectArrivals();
bool AwaitArrivals(size_t count, uint64_t deadline);

// Describes the calling thread as a parked one.
void DescribeSelf(Thread& thread);

uint64_t MonotonicNs();

}  // namespace livefork
