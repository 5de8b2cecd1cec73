// The file watchers of libuv's main loop: an inotify instance of its own for the child, which
// watches the same files. All of it happens in the child: it still has the parent's instance, and
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
  // In ascending order of watch descriptors; good until the arena is cleared.
  Watch* watches = nullptr;
  size_t count = 0;
};

// In the child: puts a new instance at fd, where the parent's still is. The main loop's watches the
// files of the parent's again, under the same watch descriptors; any other is severed
// (watch_numbers.h). Fails with ENOTSUP if libuv's tree is not what the kernel says is watched.
Failure RebuildInotify(FileWatchers& watchers, int fd, int flags);

// In the child, once its threads run: lets the next turn of the event loop tell the handles whose
// files the child cannot watch, and those whose files are no more.
void TellWatchers(const FileWatchers& watchers);

}  // namespace livefork
