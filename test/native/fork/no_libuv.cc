// cpp/fork/objects/inotify.h and main_loop.h for a process without libuv: no instance is the main
// loop's, and there is none.
#include "fork/freeze/file_requests.h"
#include "fork/freeze/main_loop.h"
#include "fork/objects/inotify.h"
#include "fork/objects/watch_numbers.h"

namespace livefork {

Failure RebuildInotify(FileWatchers&, int fd, int flags) {
  return SeverInotify(fd, flags);
}

void TellWatchers(const FileWatchers&) {}

int BackendOf(void*) {
  return -1;
}

void MarkQueue(void*) {}

void WithholdRequests(const Writes&) {}

Failure ListWrites(const Park&, const ProcFiles&, void*, Arena&, Writes&) {
  return {};
}

bool HasRequests(void*) {
  return false;
}

void EachHandle(void*, void (*)(void*, int, uint16_t), void*) {}

}  // namespace livefork
