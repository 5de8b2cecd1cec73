// The file watchers of libuv's main loop: an inotify instance of its own for the child.
#pragma once

#include <cstddef>

#include "fork/arena.h"
#include "fork/failure.h"

namespace livefork {

// An entry of libuv's tree, in ascending order of watch descriptors.
struct Watch {
  void* node;
  const char* path;
  int wd;
};

struct InotifyTree {
  int fd = -1;  // libuv's inotify descriptor, -1 if it has none
  List<Watch> watches;
};

// In the parent. fdinfo is /proc/self/fdinfo. Fails with ENOTSUP if libuv's tree is not what the
// kernel says is watched.
Failure DescribeInotify(void* loop, int fdinfo, Arena& arena, InotifyTree& tree);

// In the child, once the new instance stands at tree.fd: watches every path again.
Failure RebuildInotify(const InotifyTree& tree);

}  // namespace livefork
