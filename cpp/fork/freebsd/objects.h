// The kernel objects of the threads: a child of fork(2) has no kqueues, and shares the pipes and
// eventfds by which its parent's threads wake each other.
#pragma once

#include <sys/types.h>
// First, for its types.
#include <sys/event.h>

#include <cstddef>
#include <cstdint>

#include "fork/base/failure.h"
#include "fork/freebsd/region.h"

namespace livefork {

// The registrations of one kqueue.
struct Registrations {
  struct kevent* changes;
  size_t count;
};

struct Object {
  enum Kind { kKqueue, kPipe, kEventfd } kind;
  int fd;
  int flags;  // of F_GETFL
  bool cloexec;
  // Of a pipe's end.
  uint64_t address;
  uint64_t peer;
  char* unread;
  size_t unread_size;
  uint64_t value;  // of an eventfd
  Registrations watched;
};

struct Objects {
  Object* list;
  size_t count;
};

// nullptr if the kernel shows what a kqueue watches, or the obstacle.
const char* ObjectObstacle();

// In the parent, all threads parked. Lists pipes and eventfds that only this process has.
Failure TakeSnapshot(Region& region, Objects& objects);

// In the child, before any thread runs: makes a private object at each number.
Failure MakeTwins(const Objects& objects);

}  // namespace livefork
