// Live fork: fork(2) whose child has all its parent's threads and its own copy of the kernel
// objects behind them. docs/live-fork.md tells why each step is there. All that the addon knows of
// it; binding.gyp chooses who answers: the platform's own fork, or unsupported.cc.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fork/base/failure.h"

namespace livefork {

struct ForkResult {
  int pid;  // 0 in the child
  Failure failure;
};

struct ForkRequest {
  void* loop;        // libuv's main loop, which the calling thread runs
  uint64_t timeout;  // how long the call may take until the child is up, in nanoseconds
  // The child takes everything over. The parent's other threads stay parked, and its signals
  // blocked, until it exits or calls ReleaseHeld(); until then it may use nothing that they could
  // hold: no malloc, no JavaScript.
  bool move;
  // Worker threads of Node run. Their loops hold sockets that no epoll watches: the standard input
  // of a child process, a connection that is only written to.
  bool workers;
};

ForkResult Fork(const ForkRequest& request);

// After a fork with `move` whose child is gone: the parent is a whole process again.
void ReleaseHeld();

// Looks whether every other thread of the process sleeps in a system call: once, then again for
// patience nanoseconds; true when it was so. It stops no thread.
bool AwaitQuiescence(uint64_t patience);

// Why Fork cannot work in this process; returns how many reasons there are, none meaning that it
// can.
size_t Obstacles(const char** reasons, size_t room);

// Do libc's records of the other threads hold their own ids, and not still an ancestor's?
bool IdsAdopted();

// Asks those threads that are idle to take their ids over, and looks for patience nanoseconds
// whether all have. It stops no thread.
bool AdoptIds(uint64_t patience);

// The calling thread's own id, once it is in no library's callback: when the event loop turns.
void AdoptCallerId();

// Around libc's own change of users, while threads keep an ancestor's ids: it must reach no thread
// of the ancestor's. It reaches the caller; FollowCaller() does the rest.
void BeginChange();
void EndChange();

// Gives threads that libc has missed then the caller's user and groups. 0 or -errno: -EAGAIN if one
// did not stop in time, -EPERM if one could not.
int FollowCaller(uint64_t timeout);

// Sets no_new_privs for every thread of the process. 0 or -errno.
int ForbidNewPrivileges(uint64_t timeout);

}  // namespace livefork
