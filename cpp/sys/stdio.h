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

}  // namespace sys
