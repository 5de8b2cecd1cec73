// Files that somebody is in the middle of reading or writing. Their one offset would give parent
// and child a part each of what they read: libc reads /etc/hosts for a look-up on a thread of the
// pool, as Node reads a file. And as both go on writing, the rest would be in the file twice. The
// child opens them again, at the same place: what it goes on writing is what the parent writes
// there.
#pragma once

#include <cstdint>

#include "fork/base/arena.h"
#include "fork/base/failure.h"
#include "fork/base/place.h"
#include "fork/base/procfs.h"
#include "fork/freeze/file_requests.h"
#include "fork/freeze/table.h"

namespace livefork {

struct FileInUse {
  int fd;
  int status;  // F_GETFL
  bool closes_on_exec;
  uint64_t position;
};

struct FilesInUse {
  List<FileInUse> files;
  List<Duplicate> duplicates;
};

// In the parent, all threads parked: the regular files and directories above 2 that are open for
// reading only, and those that are being written to, unless that goes to their ends (O_APPEND).
// Left out, as they stay one with the parent's: what holds a lock, which belongs to the open file,
// and what opening it again may ask a server for.
Failure ListFilesInUse(const Table& table, const ProcFiles& files, const Writes& writes,
                       Arena& arena, Deadline& deadline, FilesInUse& found);

// In the child. One that may not be opened again, as the user has changed since, stays shared.
Failure MakeFileInUse(const FileInUse& file);

}  // namespace livefork
