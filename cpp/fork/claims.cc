#include "fork/claims.h"

#include <sys/epoll.h>

#include "fork/main_loop.h"

namespace livefork {
namespace {

constexpr uint32_t kReadable = EPOLLIN | EPOLLPRI | EPOLLRDNORM | EPOLLRDBAND | EPOLLRDHUP;

void Mark(const Table& table, int fd, unsigned marks) {
  if (Entry* entry = table.Find(fd)) entry->marks = static_cast<uint16_t>(entry->marks | marks);
}

bool IsMain(const Table& table, int epoll, int backend) {
  const Entry* entry = table.Find(epoll);
  return epoll == backend || (entry != nullptr && entry->Has(Entry::kMain));
}

}  // namespace

void MarkHandles(const Table& table, void* loop) {
  auto visit = [](void* context, int fd, uint16_t mark) {
    Mark(*static_cast<const Table*>(context), fd, Entry::kMain | mark);
  };
  EachHandle(loop, visit, const_cast<Table*>(&table));
}

// The kernel lets epolls watch each other five deep (EP_MAX_NESTS), so that many rounds find all
// that the main loop watches through others.
void MarkWatched(const Table& table, int backend, const List<Registration>& registrations) {
  for (int round = 0; round < 6; ++round) {
    for (const Registration& r : registrations) {
      Entry* target = table.Find(r.via);
      const bool nested = target != nullptr && target->kind == Kind::kEpoll;
      if (nested && IsMain(table, r.epoll, backend)) Mark(table, r.via, Entry::kMain);
      if (round == 0) Mark(table, r.via, Entry::kWatched);
    }
  }
  for (const Registration& r : registrations) {
    if (IsMain(table, r.epoll, backend)) {
      Mark(table, r.via, Entry::kMain);
      continue;
    }
    // One that asks for nothing (it has fired under EPOLLONESHOT, or waits for an end alone) is
    // somebody's all the same.
    const bool writes = (r.events & (EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND)) != 0;
    const bool reads = (r.events & kReadable) != 0 || !writes;
    Mark(table, r.via, (reads ? Entry::kReads : 0) | (writes ? Entry::kWrites : 0));
  }
}

// A thread that is blocked in write(2) to a pipe or a terminal takes nothing from anybody.
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
