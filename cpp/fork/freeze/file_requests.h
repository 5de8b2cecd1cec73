// The files for which libuv's main loop has requests: those that pool threads work on, and
// completed ones that the loop has not handled yet. There is no list of the former; each is on its
// thread's stack.
#pragma once

#include "fork/base/arena.h"
#include "fork/base/failure.h"
#include "fork/base/procfs.h"
#include "fork/park/park.h"

namespace livefork {

struct Writes {
  // Requests that change the file system, and that possibly no thread has begun yet. Both processes
  // would make the change, and one would get an error because it was already made.
  List<uintptr_t> changes;
  List<uintptr_t> openings;  // of files, likewise
  List<int> fds;             // being written at the file's offset, or just opened
  // A file is being opened, and its descriptor is not known.
  bool opens = false;
  // A file is being copied (uv_fs_copyfile), with descriptors that only that thread knows.
  bool copies = false;
};

// Before the threads are parked: queues our own empty request behind those that wait for a pool
// thread. The queue is private to libuv; this request leads to its items. Not done if the loop has
// no requests, because it would start the pool.
void MarkQueue(void* loop);

// In the parent, all threads parked.
Failure ListWrites(const Park& park, const ProcFiles& files, void* loop, Arena& arena,
                   Writes& found);

// In the child, before its threads run: changes that no thread has begun are left to the parent,
// and fail with ECANCELED as after uv_cancel(). A file that is being opened is not truncated again.
void WithholdRequests(const Writes& writes);

}  // namespace livefork
