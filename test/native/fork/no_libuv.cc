// cpp/fork/inotify.h for a process without libuv: no instance is the main loop's.
#include "fork/inotify.h"
#include "fork/watch_numbers.h"

namespace livefork {

Failure RebuildInotify(FileWatchers&, int fd, int flags) {
  return SeverInotify(fd, flags);
}

void TellWatchers(const FileWatchers&) {}

}  // namespace livefork
