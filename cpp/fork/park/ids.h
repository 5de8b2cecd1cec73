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

// The threads that keep another thread's id. An entry's thread may have ended, so only the thread
// itself writes to its record.
struct KeptIds {
  static constexpr size_t kMost = Park::kMaxThreads + 1;
  struct Entry {
    std::atomic<int> tid;  // its kernel id; 0 once its record has the right id
    int thread;            // its kernel id, permanently
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

// The place where a thread was stopped or seen.
struct Position {
  uintptr_t code;  // the next instruction
  Frames frames;
  bool made = false;  // HasMadeCall()
};

// Whether a thread that was stopped while it ran has just returned from a call before or in which
// musl does not read the id for later use. So it is not about to store it in a lock.
bool HasMadeCall(const void* ucontext, Stop stop, const Call& call);

// Whether a thread that was stopped there may change its id. On glibc only if it holds no lock that
// stores its id: if it waits for work, in epoll_wait(2) or at the bottom of its stack (bottom.h).
// Elsewhere it may hold a lock. On musl in any call, right behind most calls, and in any code
// except libc's own: the locks that it holds are known (held.h), and it is not taking or releasing
// one there.
bool MayTakeId(Stop stop, const Call& call, const Position& position);

// The id in the record of the thread with this thread pointer.
int& IdInRecord(uintptr_t pointer);

// Writes an id into the record, and into the locks that the thread is known to hold.
void WriteId(uintptr_t pointer, void* robust_list, int id);

// In the signal handler of a requested thread: updates its id if that is allowed.
void TakeOwnIdIfMay(Stop stop, const Call& call, const Position& position);

// Updates the calling thread's id, if it keeps another one.
void TakeOwnId();

}  // namespace livefork
