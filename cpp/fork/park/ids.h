// Thread ids in libc's records. A thread in the child has a new id, but locks store their owner's
// (glibc's rwlocks for writing; recursive, error-checking, robust and priority-inheritance
// mutexes), so a thread that may hold one keeps its parent's id in its record until it is seen
// where it may take another.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "fork/park/bottom.h"
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

// Where a thread was stopped, or is seen.
struct Position {
  uintptr_t code;  // the next instruction
  Frames frames;
};

// May a thread that was stopped there have another id? On glibc if it holds no lock that stores its
// id: where it waits for work, in epoll_wait(2) or at the bottom of its stack (bottom.h); anything
// else may be done with a lock held. On musl in any call, and in any code but libc's own: the locks
// that it holds are known (held.h), and none is being taken or given back there.
bool MayTakeId(Stop stop, const Call& call, const Position& position);

// Where the record of the thread with this thread pointer has its id.
int& IdInRecord(uintptr_t pointer);

// Writes an id into the record, and into the locks that the thread is known to hold.
void WriteId(uintptr_t pointer, void* robust_list, int id);

// In the signal handler of a thread that was asked to: takes its id over if it may.
void TakeOwnIdIfMay(Stop stop, const Call& call, const Position& position);

// Of the calling thread, if it keeps one.
void TakeOwnId();

}  // namespace livefork
