// Thread ids in libc's records. A thread in the child has a new id, but locks store their owner's
// (glibc's rwlocks for writing; recursive, error-checking, robust and priority-inheritance
// mutexes), so a thread that may hold one keeps its parent's id in its record until it is seen
// idle.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "fork/park/park.h"

namespace livefork {

// The threads that keep an id that is not theirs. An entry's thread may have ended meanwhile: only
// the thread itself writes to its record.
struct KeptIds {
  static constexpr size_t kMost = Park::kMaxThreads + 1;
  struct Entry {
    std::atomic<int> tid;  // what the kernel calls it; 0: it has its own id by now
    int thread;            // the same, for good
    uintptr_t pointer;
  };
  size_t count = 0;
  Entry entries[kMost];

  void Clear() { count = 0; }
  void Add(uintptr_t pointer, int tid);
  Entry* Find(uintptr_t pointer, int tid);
  template <typename F>
  void Each(F f) {
    for (size_t i = 0; i < count; ++i) {
      if (entries[i].tid.load(std::memory_order_acquire) != 0) f(entries[i]);
    }
  }
};

// Can a thread that was stopped there hold no lock that stores its id? So it is where threads wait
// for work: in epoll_wait(2) and for a condition. Anything else may be done with a lock held.
bool IsIdle(Stop stop, const Call& call);

// Where the record of the thread with this thread pointer has its id.
int& IdInRecord(uintptr_t pointer);

// Writes an id into the record, and into the robust mutexes that the thread holds.
void WriteId(uintptr_t pointer, void* robust_list, int id);

// In the signal handler of a thread that was asked to: takes its id over if it is idle.
void TakeOwnIdIfIdle(Stop stop, const Call& call);

// Of the calling thread, if it keeps one.
void TakeOwnId();

}  // namespace livefork
