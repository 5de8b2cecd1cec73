// cpp/fork/objects/inotify.h, main_loop.h and bottom.h for a process without libuv: no instance is
// the main loop's, and there is none; no thread waits in libuv.
#include "fork/freeze/file_requests.h"
#include "fork/freeze/main_loop.h"
#include "fork/objects/inotify.h"
#include "fork/objects/watch_numbers.h"
#include "fork/park/bottom.h"

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

Frames Frames::Between(uintptr_t, uintptr_t) {
  return {};
}

WorkerCode FindWorkerCode() {
  return {};
}

bool WaitsAtBottom(const Frames&) {
  return false;
}

void EachHandle(void*, void (*)(void*, int, uint16_t), void*) {}

}  // namespace livefork
