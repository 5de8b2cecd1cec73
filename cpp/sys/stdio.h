// dup2(2) onto a descriptor that somebody may be polling.
#pragma once

#include <vector>

namespace sys {

// Makes `fd` a copy of `target`, and first takes it out of every epoll in `epolls`: a registration
// belongs to the open file, lives as long as any process has that file, and could no longer be
// removed by number. 0, or -errno. A standard descriptor (0-2) is inherited by exec, others not.
int Redirect(int fd, int target, const std::vector<int>& epolls);

}  // namespace sys
