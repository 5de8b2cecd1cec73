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
  List<int> fds;  // written to, at the file's offset, or just opened
  bool opens;     // something is being opened: which descriptor that has become is not known
  bool copies;    // a file is being copied (uv_fs_copyfile), by descriptors of that thread's own
};

// Before the threads are parked: puts a request of our own, which does nothing, behind those that
// wait for a thread of the pool. By its place in their queue, which is libuv's secret, they are
// found. Not if nothing is asked of the loop: it would start the pool.
void MarkQueue(void* loop);

// In the parent, all threads parked.
Failure ListWrites(const Park& park, const ProcFiles& files, void* loop, Arena& arena,
                   Writes& found);

}  // namespace livefork
