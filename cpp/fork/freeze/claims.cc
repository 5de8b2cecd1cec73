#include "fork/freeze/claims.h"

#include <sys/epoll.h>

namespace livefork {
namespace {

constexpr uint32_t kReadable = EPOLLIN | EPOLLPRI | EPOLLRDNORM | EPOLLRDBAND | EPOLLRDHUP;

void Mark(const Table& table, int fd, unsigned marks) {
  if (Entry* entry = table.Find(fd)) entry->marks = static_cast<uint16_t>(entry->marks | marks);
}

void Mark(Entry& entry, unsigned marks) {
  entry.marks = static_cast<uint16_t>(entry.marks | marks);
}

}  // namespace

void MarkWatched(const List<Epoll>& epolls) {
  // Repeats for epolls that the main loop watches through others: at most five levels
  // (EP_MAX_NESTS).
  for (bool again = true; again;) {
    again = false;
    for (const Epoll& epoll : epolls) {
      if (!epoll.entry->Has(Entry::kMain)) continue;
      for (const Registration& r : epoll.registrations) {
        if (r.target == nullptr || r.target->Has(Entry::kMain)) continue;
        Mark(*r.target, Entry::kMain);
        again = again || r.target->kind == Kind::kEpoll;
      }
    }
  }
  for (const Epoll& epoll : epolls) {
    for (const Registration& r : epoll.registrations) {
      if (r.target == nullptr) continue;
      Mark(*r.target, Entry::kWatched);
      if (epoll.entry->Has(Entry::kMain)) continue;
      // A registration without events (it has fired under EPOLLONESHOT, or only waits for an end)
      // still has an owner.
      const bool writes = (r.events & (EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND)) != 0;
      const bool reads = (r.events & kReadable) != 0 || !writes;
      if (reads) Mark(*r.target, Entry::kReads);
      if (writes) Mark(*r.target, Entry::kWrites);
    }
  }
}

// A thread that is blocked in write(2) to a pipe or a terminal takes no data.
void MarkAwaited(const Table& table, const List<Wait>& waits) {
  for (const Wait& wait : waits) {
    const Entry* entry = table.Find(wait.fd);
    if (entry == nullptr) continue;
    unsigned marks = 0;
    if (wait.reads) marks |= Entry::kReads | Entry::kAwaited;
    if (wait.writes && entry->kind == Kind::kSocket) marks |= Entry::kWrites;
    if (wait.controls) marks |= Entry::kControls;
    if (wait.queue) marks |= Entry::kQueue;
    Mark(table, wait.fd, marks);
  }
}

}  // namespace livefork
