// Kernel objects that belong to one process only: their state is read in the parent while all
// threads are parked, and the child gets a twin of each at the same descriptor number.
#pragma once

#include <cstdint>

#include "fork/arena.h"
#include "fork/failure.h"
#include "fork/inotify.h"
#include "fork/mappings.h"
#include "fork/procfs.h"
#include "fork/ring.h"

namespace livefork {

enum class Kind : uint8_t { kEpoll, kEventfd, kPipe, kInotify, kTimerfd, kSignalfd, kRing };

// A descriptor of an object that is private: close-on-exec, so no program started from here could
// share it, and not a file, socket or terminal. A pipe counts when both of its ends are here.
struct Descriptor {
  int fd;
  Kind kind;
  bool writes;  // a pipe's write end
  bool closes_on_exec;
  int status;  // F_GETFL
  uint64_t inode;
  const Descriptor* twin_of;  // an earlier one with the same open file description (dup)
  uint64_t value;             // eventfd's count, signalfd's mask, timerfd's clock
  uint64_t id;        // eventfd's own number and 1; 0 where the kernel tells none (before 5.2)
  bool semaphore;     // eventfd
  uint64_t ticks;     // timerfd: expirations not read yet
  uint64_t timer[4];  // interval and time left, as struct itimerspec has them
};

struct Registration {  // one of an epoll
  int epoll;
  int fd;
  uint32_t events;
  uint64_t data;
};

struct PipeContent {
  uint64_t inode;
  const char* bytes;
  size_t size;
  long capacity;
};

struct Snapshot {
  List<Descriptor> descriptors;
  List<Registration> registrations;
  List<PipeContent> contents;
  List<Ring> rings;
  FileWatchers inotify;
};

// In the parent, all threads parked. loop is libuv's main loop.
Failure TakeSnapshot(ProcFiles& files, void* loop, Mappings& mappings, Arena& arena,
                     Snapshot& snapshot);

// In the child, before any other thread runs. The sockets in drop become unconnected ones.
Failure MakeTwins(Snapshot& snapshot, const int* drop, size_t drop_count);

}  // namespace livefork
