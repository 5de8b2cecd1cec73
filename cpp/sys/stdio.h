// Standard streams: dup2(2) onto a descriptor that may be in an epoll, and the last output.
#pragma once

#include <vector>

#include "sys/span.h"

namespace sys {

// Makes `fd` a duplicate of `target`, and first removes it from every epoll in `epolls`: a
// registration belongs to the open file, stays as long as any process has that file, and could not
// be removed by number later. 0, or -errno. Standard descriptors (0-2) are inherited by exec,
// others are not.
int Redirect(int fd, int target, const std::vector<int>& epolls);

// Writes as much as `fd` accepts within the time, and polls while it is full. Returns the number of
// bytes: fewer than all after `milliseconds` or an error.
int WriteWithin(int fd, ByteSpan bytes, int milliseconds);

// Sets `fd` to blocking mode, so that writes do not fail with EAGAIN. 0, or -errno.
int MakeBlocking(int fd);

// Records the state of 0, 1 and 2, some of which may be in handles of the event loop, for
// GiveBackStandard(). Only the first call of a process counts.
void RememberStandard(const std::vector<int>& handles);

// Sets 0, 1 and 2 to blocking mode where libuv has made them non-blocking. The flag belongs to the
// open file, which the starter shares: its next program would get EAGAIN. Node restores it at its
// own exit (ResetStdio() in its src/node.cc), but not at _exit(2). Allocates no memory and takes no
// lock.
void GiveBackStandard();

}  // namespace sys
