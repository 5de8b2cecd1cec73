#include <sys/epoll.h>

#include "sys/loop.h"
#include "sys/loop_leave.h"

namespace sys {

int FileWatchDescriptor(const uv_loop_t& loop) {
  return loop.inotify_fd;
}

const uv__io_t* FileWatcher(const uv_loop_t& loop) {
  return &loop.inotify_read_watcher;
}

void Forget(const uv_loop_t& loop, int fd) {
  epoll_event none{};  // Linux before 2.6.9 requires one
  epoll_ctl(loop.backend_fd, EPOLL_CTL_DEL, fd, &none);
}

}  // namespace sys
