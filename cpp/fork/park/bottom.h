// Where a thread's stack begins: which threads wait for a condition with nothing else in hand.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fork/park/held.h"

namespace livefork {

// The words of a stack from `at` upward; none: it is not known, or is a deep one.
struct Frames {
  static constexpr size_t kMost = 2048;  // deeper threads do something
  const uintptr_t* words = nullptr;
  uintptr_t at = 0;
  size_t count = 0;

  // Of a thread that is stopped, or of the calling one. libc has a thread's record above its stack.
  static Frames Between(uintptr_t stack, uintptr_t pointer);
};

// The code that a waiting thread of Node's has on its stack.
struct WorkerCode {
  uintptr_t waits[2] = {0, 0};  // uv_cond_wait(), uv_sem_wait()
  LibcCode node, libuv, threads;
};

WorkerCode FindWorkerCode();

// Does the thread wait in a function of libuv's, called by Node, called by nobody but libc's start
// of threads? So the thread pool, V8's helpers and the inspector's thread wait for work. A wait for
// a condition elsewhere may be one with a lock in hand: V8's for its safepoint has a recursive one,
// and so may any library's.
bool WaitsAtBottom(const Frames& frames);

}  // namespace livefork
