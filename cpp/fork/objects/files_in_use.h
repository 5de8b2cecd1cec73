// Files that a thread is in the middle of reading or writing. With a shared offset parent and child
// would each read only a part: a pool thread reads /etc/hosts in libc for a look-up, or a file for
// Node. When both continue to write, the rest would be in the file twice. So the child reopens
// these files at the same offset; then it writes the same data to the same place as the parent.
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

// In the parent, all threads parked: lists regular files and directories above 2 that are open only
// for reading, and files that are being written, except with O_APPEND. Left out, so that they stay
// shared: files with a lock, which belongs to the open file, and files whose reopening may involve
// a server.
Failure ListFilesInUse(const Table& table, const ProcFiles& files, const Writes& writes,
                       Arena& arena, Deadline& deadline, FilesInUse& found);

// In the child. A file that may not be reopened, because the user has changed, stays shared.
Failure MakeFileInUse(const FileInUse& file);

}  // namespace livefork
