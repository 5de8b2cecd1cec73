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

struct Resting;

// The state that a thread recorded when it was parked: sufficient to rebuild it in the child.
struct Thread {
  enum State : uint32_t { kSignalled, kArriving, kParked, kGone };

  void Begin(uint32_t generation, int id) {
    tid = id;
    resting = nullptr;
    word.store(generation << 2 | kSignalled, std::memory_order_release);
  }
  // A thread that rests is parked without a signal.
  void Take(uint32_t generation) { word.store(generation << 2 | kParked); }
  // Changes the state if the record still belongs to this park and has the state `from`. Both the
  // parking and the parked thread may try this, and only one succeeds.
  bool Move(uint32_t generation, State from, State to) {
    uint32_t expected = generation << 2 | from;
    return word.compare_exchange_strong(expected, generation << 2 | to, std::memory_order_acq_rel);
  }
  uint32_t state() const { return word.load(std::memory_order_acquire) & 3; }

  std::atomic<uint32_t> word;
  int tid;
  int new_tid;        // its id in the child
  Resting* resting;   // nullptr: stopped by the signal
  uint64_t used;      // at rest: its processor time when it was taken
  bool compared;      // at rest: it has not run since its privileges were compared
  long first;         // the first argument of the call in which it was last seen (Seen)
  bool keeps_id;      // the child's record keeps the parent's id: ids.h
  bool made;          // HasMadeCall()
  Stop stop;          // where the signal interrupted it
  uintptr_t place;    // the next instruction there
  uintptr_t stack;    // its stack pointer there
  Call call;          // the system call in which it was stopped; number -1: none, or unknown
  uintptr_t pointer;  // thread pointer
  int* clear_tid;     // the kernel writes 0 there when the thread ends (set_tid_address)
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
  bool awake = false;  // threads that rest (rest.h) get the signal too
  Thread* threads = nullptr;
  size_t count = 0;
  uint32_t* order = nullptr;  // the places of the parked ones: ReserveStacks()
  size_t ordered = 0;

  bool Has(int tid) const {
    for (size_t i = 0; i < count; ++i) {
      if (threads[i].tid == tid && threads[i].state() != Thread::kGone) return true;
    }
    return false;
  }
  template <typename F>
  void Each(F f) const {
    for (size_t i = 0; i < count; ++i) {
      if (threads[i].state() == Thread::kParked) f(threads[i]);
    }
  }
};

// Blocks every signal of the calling thread, including those that libc's own sigprocmask does not
// block; restores the old mask at the end of the scope.
class SignalsBlocked {
 public:
  SignalsBlocked();
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;
  ~SignalsBlocked();
  // Restores the mask before the end of the scope.
  void Restore();
  // Keeps the signals blocked after the scope; returns the old mask.
  uint64_t Keep() {
    kept_ = true;
    return old_;
  }

 private:
  bool kept_ = false;
  uint64_t old_;
};

// Parks all threads except the caller. task is an open /proc/self/task, or -1: then only threads
// that keep or kept an ancestor's id (ids.h), which are known without /proc. On failure all are
// released. The caller must have blocked its signals.
Failure ParkThreads(int task, Arena& arena, uint64_t deadline, Park& park);

// Releases the parked threads, and returns the parking signal to libc.
void ReleaseThreads();

// A function that each parked thread runs when it is released. A result below 0 counts as a
// failure.
using Errand = long (*)(const void* argument);

// As ReleaseThreads, but returns only when every parked thread has run the function; returns how
// many failed.
size_t ReleaseOnErrand(const Park& park, Errand errand, const void* argument);

// Whether every other thread is asleep, checked one after the other; true without /proc.
bool OthersSleep();

// In the child, where rebuilt threads park themselves: forget the parent's arrivals, then wait for
// n new ones.
void ExpectArrivals();
void WaitForArrivals(size_t n);

// Makes a waiting thread update its own id (ids.h), without waiting for it. task as above, or -1
// without /proc; pointer: its thread pointer. Returns 0 or -errno.
long AskToTakeId(int task, int tid, uintptr_t pointer);

// Describes the calling thread as a parked one.
void DescribeSelf(Thread& thread);

uint64_t MonotonicNs();

}  // namespace livefork
