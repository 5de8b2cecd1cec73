#include "sys/loop.h"

namespace sys {

// Files are watched by the loop's one kqueue.
int FileWatchDescriptor(const uv_loop_t&) {
  return -1;
}

}  // namespace sys
