// The file watchers of libuv's main loop: makes a separate inotify instance for the child, which
// watches the same files. Everything happens in the child: it still has the parent's instance, and
// the parent's threads need not wait.
#pragma once

#include <cstddef>

#include "fork/base/arena.h"
#include "fork/base/failure.h"

namespace livefork {

struct Watch;

struct FileWatchers {
  void* loop = nullptr;  // libuv's main loop, or none
  Arena* arena = nullptr;
  // In ascending order of watch descriptors; valid until the arena is cleared.
  Watch* watches = nullptr;
  size_t count = 0;
};

// In the child: puts a new instance at fd, where the parent's still is. The main loop's instance
// watches the parent's files again, with the same watch descriptors; any other instance is severed
// (watch_numbers.h). Fails with ENOTSUP if libuv's tree differs from the kernel's list.
Failure RebuildInotify(FileWatchers& watchers, int fd, int flags);

// In the child, once its threads run: makes the next turn of the event loop report files that the
// child cannot watch, and files that were deleted.
void TellWatchers(const FileWatchers& watchers);

}  // namespace livefork
