// Pipes with both ends in this process: their contents, and the child's own pipes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fork/base/arena.h"
#include "fork/base/failure.h"
#include "fork/base/procfs.h"

namespace livefork {

// The data of one read(2): a packet, if it was written with O_DIRECT.
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

// In the parent, all threads parked: reads the contents of the pipe at pipe.reader.
Failure DescribePipe(const ProcFiles& files, Arena& arena, Pipe& pipe);

// In the child.
Failure MakePipe(const Pipe& pipe);

}  // namespace livefork
