// The bottom of a thread's stack: shows which threads wait for a condition without holding a lock.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fork/park/held.h"

namespace livefork {

// The words of a stack from `at` upward; none if the stack is unknown or deep.
struct Frames {
  static constexpr size_t kMost = 2048;  // a thread with a deeper stack is busy
  const uintptr_t* words = nullptr;
  uintptr_t at = 0;
  size_t count = 0;

  // For a stopped thread or the calling one. libc puts a thread's record above its stack.
  static Frames Between(uintptr_t stack, uintptr_t pointer);
};

// The code that a waiting thread of Node has on its stack.
struct WorkerCode {
  uintptr_t waits[2] = {0, 0};  // uv_cond_wait(), uv_sem_wait()
  LibcCode node, libuv, threads;
};

WorkerCode FindWorkerCode();

// Whether the thread waits in a function of libuv, called by Node, called directly by libc's thread
// start. The thread pool, V8's helpers and the inspector's thread wait for work in this way. A
// thread that waits for a condition elsewhere may hold a lock: V8's wait for its safepoint holds a
// recursive one, and any library may.
bool WaitsAtBottom(const Frames& frames);

}  // namespace livefork
