// cpp/fork/inotify.h and main_loop.h for a process without libuv: no instance is the main loop's,
// and there is none.
#include "fork/inotify.h"
#include "fork/main_loop.h"
#include "fork/watch_numbers.h"

namespace livefork {

Failure RebuildInotify(FileWatchers&, int fd, int flags) {
  return SeverInotify(fd, flags);
}

void TellWatchers(const FileWatchers&) {}

int BackendOf(void*) {
  return -1;
}

void EachHandle(void*, void (*)(void*, int, uint16_t), void*) {}

}  // namespace livefork
