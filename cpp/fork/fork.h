// Live fork: fork(2) whose child has all its parent's threads and its own copy of the kernel
// objects behind them. docs/live-fork.md explains why each step is necessary. This is the whole
// interface for the addon; binding.gyp chooses the implementation: the platform's fork, or
// unsupported.cc.
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
  uint64_t timeout;  // how long the call may take until the child runs, in nanoseconds
  // The child replaces the parent. The parent's other threads stay parked, and its signals blocked,
  // until it exits or calls ReleaseHeld(). Until then it must not use anything that they could
  // hold: no malloc, no JavaScript.
  bool move;
  // Worker threads of Node run. Their loops hold sockets that no epoll watches: the standard input
  // of a child process, or a connection that is only written to.
  bool workers;
};

ForkResult Fork(const ForkRequest& request);

// After a fork with `move` whose child has ended: releases the parent's threads.
void ReleaseHeld();

// Whether every other thread of the process sleeps in a system call. Checks once, then repeatedly
// for patience nanoseconds. It stops no thread.
bool AwaitQuiescence(uint64_t patience);

// The reasons why Fork cannot work in this process; returns their number. 0 means that it can.
size_t Obstacles(const char** reasons, size_t room);

// Whether libc's records of the other threads contain their own ids, and not an ancestor's.
bool IdsAdopted();

// Makes idle threads update their ids, and waits up to patience nanoseconds until all have. It
// stops no thread.
bool AdoptIds(uint64_t patience);

// Updates the calling thread's id. Call it outside of any library's callback: when the event loop
// turns.
void AdoptCallerId();

// Call before libc's own change of users while threads keep an ancestor's ids, so that libc signals
// no thread of the ancestor. libc changes the caller; FollowCaller() changes the others.
void BeginChange();
void EndChange();

// Gives the threads that libc has missed the caller's user and groups. 0 or -errno: -EAGAIN if a
// thread did not stop in time, -EPERM if a thread could not change.
int FollowCaller(uint64_t timeout);

// Sets no_new_privs for every thread of the process. 0 or -errno.
int ForbidNewPrivileges(uint64_t timeout);

}  // namespace livefork
