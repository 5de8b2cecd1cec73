#include "fork/objects/objects.h"

#include <linux/kcmp.h>

#include "fork/base/sort.h"

namespace livefork {
namespace {

// "(0, 49406829)"
void ReadTime(const char* text, uint64_t* time) {
  Skip(text, " (");
  time[0] = Number(text, 10);
  Skip(text, ",");
  time[1] = Number(text, 10);
}

void ReadField(const char* line, ObjectFacts& facts) {
  if (Skip(line, "eventfd-count:") || Skip(line, "sigmask:")) facts.value = Number(line, 16);
  if (Skip(line, "eventfd-semaphore:")) facts.semaphore = Number(line, 10) != 0;
  if (Skip(line, "eventfd-id:")) facts.id = Number(line, 10) + 1;
  if (Skip(line, "clockid:")) facts.value = Number(line, 10);
  if (Skip(line, "ticks:")) facts.ticks = Number(line, 10);
  if (Skip(line, "settime flags:")) facts.settime_flags = static_cast<int>(Number(line, 10));
  if (Skip(line, "it_value:")) ReadTime(line, facts.left);
  if (Skip(line, "it_interval:")) ReadTime(line, facts.interval);
  if (Skip(line, "API:")) {  // "aa:features:ioctls", userfaultfd_show_fdinfo
    Number(line, 16);
    Skip(line, ":");
    facts.features = Number(line, 16);
  }
}

}  // namespace

long CompareFiles(int a, int b) {
  const long pid = Sys(SYS_getpid);
  return Sys(SYS_kcmp, pid, pid, KCMP_FILE, a, b);
}

Failure ReadFacts(int fdinfo, int fd, ObjectFacts& facts) {
  Fd info(OpenNumbered(fdinfo, fd));
  if (info.get() < 0) return Check(info.get(), "open");
  Lines lines(info.get());
  while (const char* line = lines.Next()) ReadField(line, facts);
  return Check(lines.error(), "read");
}

Failure RefuseUserfaults(const Table& table, int fdinfo) {
  constexpr uint64_t kEventFork = 1 << 1;  // UFFD_FEATURE_EVENT_FORK
  for (const Entry& entry : table) {
    if (entry.kind != Kind::kUserfault) continue;
    ObjectFacts facts;
    if (Failure failure = ReadFacts(fdinfo, entry.fd, facts)) return failure;
    if ((facts.features & kEventFork) == 0) continue;
    return {ENOTSUP, "fork",
            "a userfaultfd receives fork events, and the fork would wait for its reader"};
  }
  return {};
}

bool Objects::Before(const Object& a, const Object& b) const {
  if (a.entry->kind != b.entry->kind) return a.entry->kind < b.entry->kind;
  if (a.facts.id != b.facts.id) return a.facts.id < b.facts.id;
  if (a.facts.id == 0 && compares_) {
    const long order = CompareFiles(a.entry->fd, b.entry->fd);
    if (order != 0) return order == 1;
  }
  return a.entry->fd < b.entry->fd;
}

// Without kcmp(2), duplicates of these types count as separate objects. No program is known to
// duplicate them.
bool Objects::Same(const Object& a, const Object& b) const {
  if (a.entry->kind != b.entry->kind || a.facts.id != b.facts.id) return false;
  return a.facts.id != 0 || (compares_ && CompareFiles(a.entry->fd, b.entry->fd) == 0);
}

Failure Objects::Read(const Table& table, int fdinfo, unsigned wanted, Arena& arena,
                      Deadline& deadline) {
  auto is_wanted = [wanted](const Entry& entry) {
    return (wanted >> static_cast<unsigned>(entry.kind) & 1) != 0;
  };
  list_ = arena.Take<Object>(table.Count(is_wanted));
  if (list_ == nullptr) return kArenaFull;
  for (Entry& entry : table) {
    if (!is_wanted(entry)) continue;
    if (deadline.Over()) return kTooLate;
    Object& object = list_[size_++];
    object = {&entry, {}};
    if (entry.kind != Kind::kEventfd) continue;
    if (Failure failure = ReadFacts(fdinfo, entry.fd, object.facts)) return failure;
  }
  compares_ = size_ > 0 && CompareFiles(list_[0].entry->fd, list_[0].entry->fd) == 0;
  Sort(list_, list_ + size_, [this](auto& a, auto& b) { return Before(a, b); });
  return {};
}

const Object* Objects::EndOf(const Object* first) const {
  const Object* at = first + 1;
  while (at != end() && Same(*first, *at)) ++at;
  return at;
}

}  // namespace livefork
