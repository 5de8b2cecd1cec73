// Which descriptors the parked threads are in a conversation with, by the calls they stand in.
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

// In the parent, all threads parked. The calls' arrays are in this process's memory; they are read
// with care, as a careless program may have unmapped them. Fails with
// ENOTSUP where a thread waits for something that has no descriptor and that its copy would take.
Failure ListWaits(const Park& park, const ProcFiles& files, Arena& arena, List<Wait>& waits);

// Is there a thread of which it is not known what it waits for, as it was running when it was
// stopped?
bool AnyUnclear(const Park& park);

}  // namespace livefork
