// Files that somebody is in the middle of reading. Their one offset would give parent and child the
// half each: libc reads /etc/hosts for a look-up on a thread of the pool, as Node reads a file. The
// child opens them again, at the same place.
#pragma once

#include <cstdint>

#include "fork/base/arena.h"
#include "fork/base/failure.h"
#include "fork/base/place.h"
#include "fork/base/procfs.h"
#include "fork/freeze/table.h"

namespace livefork {

struct ReadFile {
  int fd;
  int status;  // F_GETFL
  bool closes_on_exec;
  uint64_t position;
};

struct ReadFiles {
  List<ReadFile> files;
  List<Duplicate> duplicates;
};

// In the parent, all threads parked: the regular files and directories above 2 that are open for
// reading only. Left out, as they stay one with the parent's: what holds a lock, which belongs to
// the open file, and what opening it again may ask a server for.
Failure ListReadFiles(const Table& table, const ProcFiles& files, Arena& arena, Deadline& deadline,
                      ReadFiles& found);

// In the child. One that may not be opened again, as the user has changed since, stays shared.
Failure MakeReadFile(const ReadFile& file);

}  // namespace livefork
