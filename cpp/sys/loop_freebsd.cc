#include <sys/types.h>

#include "sys/loop.h"
// After the header for its types.
#include <sys/event.h>

#include "sys/loop_leave.h"

namespace sys {

// The loop's only kqueue also watches files.
int FileWatchDescriptor(const uv_loop_t&) {
  return -1;
}

const uv__io_t* FileWatcher(const uv_loop_t&) {
  return nullptr;
}

void Forget(const uv_loop_t& loop, int fd) {
  for (const int filter : {EVFILT_READ, EVFILT_WRITE}) {
    struct kevent change;
    EV_SET(&change, fd, filter, EV_DELETE, 0, 0, nullptr);
    kevent(loop.backend_fd, &change, 1, nullptr, 0, nullptr);
  }
}

}  // namespace sys
