// Standard streams: dup2(2) onto a descriptor that somebody may be polling, and the last words.
#pragma once

#include <vector>

#include "sys/span.h"

namespace sys {

// Makes `fd` a copy of `target`, and first takes it out of every epoll in `epolls`: a registration
// belongs to the open file, lives as long as any process has that file, and could no longer be
// removed by number. 0, or -errno. A standard descriptor (0-2) is inherited by exec, others not.
int Redirect(int fd, int target, const std::vector<int>& epolls);

// Writes as much as `fd` takes within the time, waiting without spinning where it is full. How many
// bytes that was: fewer than all after `milliseconds`, or an error.
int WriteWithin(int fd, ByteSpan bytes, int milliseconds);

// Has writes to `fd` wait again, whoever has made them fail with EAGAIN. 0, or -errno.
int MakeBlocking(int fd);

// Looks at 0, 1 and 2, of which some may be in handles of the event loop, before GiveBackStandard()
// is called. Once for a process; further calls do nothing.
void RememberStandard(const std::vector<int>& handles);

// Has 0, 1 and 2 block where libuv has made them not block. The flag belongs to the open file,
// which is the starter's too: its next program would read and write with EAGAIN. Node gives it back
// when it exits by itself (ResetStdio() in its src/node.cc), not at _exit(2). Takes no memory and
// no lock.
void GiveBackStandard();

}  // namespace sys
