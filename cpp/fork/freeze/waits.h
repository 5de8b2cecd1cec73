// The descriptors that parked threads use, by the system calls in which they are.
#pragma once

#include "fork/base/arena.h"
#include "fork/base/failure.h"
#include "fork/base/procfs.h"
#include "fork/park/park.h"

namespace livefork {

struct Wait {
  int fd;
  bool reads, writes;
  bool controls;  // ioctl(2)
  bool queue;     // mq_timedreceive(2)
};

// In the parent, all threads parked. The calls' arrays are in this process's memory. They are read
// through a pipe, because a careless program may have unmapped them. Fails with ENOTSUP if a thread
// waits for something without a descriptor that its copy would take.
Failure ListWaits(const Park& park, const ProcFiles& files, Arena& arena, List<Wait>& waits);

// Whether a thread was running when it was stopped, so that it is not known what it waits for.
bool AnyUnclear(const Park& park);

}  // namespace livefork
