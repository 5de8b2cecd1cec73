// Which files libuv's main loop has requests for: those that threads of the pool work on, and those
// whose end the loop has not yet been told of. Nothing lists the former; each is on its thread's
// stack.
#pragma once

#include "fork/base/arena.h"
#include "fork/base/failure.h"
#include "fork/base/procfs.h"
#include "fork/park/park.h"

namespace livefork {

struct Writes {
  // Requests that change the file system, with which no thread may have begun yet. Both processes
  // would make the change, and one of them hear that it was made already.
  List<uintptr_t> changes;
  List<uintptr_t> openings;  // of files, likewise
  List<int> fds;             // written to, at the file's offset, or just opened
  // Something is being opened: which descriptor that has become is not known.
  bool opens = false;
  // A file is being copied (uv_fs_copyfile), by descriptors of that thread's own.
  bool copies = false;
};

// Before the threads are parked: puts a request of our own, which does nothing, behind those that
// wait for a thread of the pool. By its place in their queue, which is libuv's secret, they are
// found. Not if nothing is asked of the loop: it would start the pool.
void MarkQueue(void* loop);

// In the parent, all threads parked.
Failure ListWrites(const Park& park, const ProcFiles& files, void* loop, Arena& arena,
                   Writes& found);

// In the child, before its threads run: changes that no thread has begun with are the parent's to
// make, and fail with ECANCELED as by uv_cancel(); a file that is opened is not emptied once more.
void WithholdRequests(const Writes& writes);

}  // namespace livefork
