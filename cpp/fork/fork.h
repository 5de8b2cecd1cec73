// Live fork: fork(2) whose child has all its parent's threads and its own copy of the kernel
// objects behind them. docs/live-fork.md tells why each step is there. All that addon.cc knows of
// it; binding.gyp chooses who answers: the platform's own fork, or unsupported.cc.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fork/failure.h"

namespace livefork {

struct ForkResult {
  int pid;  // 0 in the child
  Failure failure;
};

struct ForkRequest {
  void* loop;        // libuv's main loop, which the calling thread runs
  uint64_t timeout;  // how long the other threads may take to stop, in nanoseconds
};

ForkResult Fork(const ForkRequest& request);

// Looks whether every other thread of the process waits in a system call: once, then again for
// patience nanoseconds; true when it was so. Such a moment lets a child whose threads were busy
// when it was forked take its new ids over (docs/live-fork.md, "Thread ids").
bool AwaitQuiescence(uint64_t patience);

// Why Fork cannot work in this process; returns how many reasons there are, none meaning that it
// can.
size_t Obstacles(const char** reasons, size_t room);

// Do libc's records hold the ids of this process, and not still its parent's?
bool IdsAdopted();

}  // namespace livefork
