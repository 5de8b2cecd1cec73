#include "sys/loop.h"

namespace sys {

int FileWatchDescriptor(const uv_loop_t& loop) {
  return loop.inotify_fd;
}

}  // namespace sys
