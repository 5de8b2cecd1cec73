// Pipes of which this process has both ends: what is in them, and the child's own.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fork/base/arena.h"
#include "fork/base/failure.h"
#include "fork/base/procfs.h"

namespace livefork {

// What one read(2) gives: a packet, if the pipe was written to with O_DIRECT.
struct Packet {
  const char* bytes;
  size_t size;
};

struct PipeEnd {
  int fd = -1;
  int status = 0;  // F_GETFL
  bool closes_on_exec = false;
};

struct Pipe {
  uint64_t inode = 0;
  PipeEnd reader, writer;
  long capacity = 0;
  List<Packet> packets;
};

// In the parent, all threads parked: what is in the pipe behind pipe.reader.
Failure DescribePipe(const ProcFiles& files, Arena& arena, Pipe& pipe);

// In the child.
Failure MakePipe(const Pipe& pipe);

}  // namespace livefork
