// Kernel objects that belong to one process only. Their state is read in the parent while all
// threads are parked, and the child gets a twin of each at the same descriptor number. Connections
// of the parent's other threads are severed in the child (conversations.h).
#pragma once

#include <cstdint>

#include "fork/base/arena.h"
#include "fork/base/failure.h"
#include "fork/base/place.h"
#include "fork/base/procfs.h"
#include "fork/fork.h"
#include "fork/freeze/conversations.h"
#include "fork/freeze/mappings.h"
#include "fork/freeze/registrations.h"
#include "fork/freeze/table.h"
#include "fork/objects/files_in_use.h"
#include "fork/objects/inotify.h"
#include "fork/objects/pipes.h"
#include "fork/objects/ring.h"
#include "fork/objects/timers.h"
#include "fork/park/park.h"

namespace livefork {

// A private nameless object, identified by its first descriptor.
struct Descriptor {
  int fd;
  Kind kind;
  bool closes_on_exec;
  int status;      // F_GETFL
  uint64_t value;  // eventfd's count, signalfd's mask
  bool semaphore;  // eventfd
  Timer timer;
};

struct Snapshot {
  Peers peers;
  List<Descriptor> descriptors;
  List<Pipe> pipes;
  List<Ring> rings;
  List<Duplicate> duplicates;
  Conversations conversations;
  List<Epoll> epolls;
  Writes writes;
  FilesInUse files_in_use;
  FileWatchers inotify;
};

// Before the threads are parked: opens the files for TakeSnapshot. 0, or -errno and the call's
// name.
long PrepareSnapshot(Snapshot& snapshot, const char*& syscall);

// In the parent, all threads parked. In a move the parent's threads never run again, so the child
// may take everything. deadline: by MonotonicNs().
Failure TakeSnapshot(ProcFiles& files, const Park& park, const ForkRequest& request,
                     uint64_t deadline, Mappings& mappings, Arena& arena, Snapshot& snapshot);

// In the child, before any other thread runs.
Failure MakeTwins(Snapshot& snapshot);

}  // namespace livefork
