#include "fork/freeze/registrations.h"

#include <linux/kcmp.h>
#include <sys/epoll.h>

#include <cstring>

#include "fork/base/place.h"
#include "fork/base/sort.h"

namespace livefork {
namespace {

// EP_PRIVATE_BITS of fs/eventpoll.c: the bits that remain after a registration has fired under
// EPOLLONESHOT.
constexpr uint32_t kPrivateBits = EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE;

// "tfd: 13 events: 19 data: d  pos:0 ino:3567 sdev:f"
bool Parse(const char* text, Registration& r) {
  if (!Skip(text, "tfd:")) return false;
  r.fd = static_cast<int>(Number(text, 10));
  Skip(text, " events:");
  r.events = static_cast<uint32_t>(Number(text, 16));
  Skip(text, " data:");
  r.data = Number(text, 16);
  text = strstr(text, "ino:");
  if (text != nullptr) text += 4;
  r.inode = text == nullptr ? 0 : Number(text, 16);
  return true;
}

class Reader {
 public:
  Reader(const Table& table, Arena& arena, Deadline& deadline, Epoll& epoll)
      : table_(table),
        arena_(arena),
        deadline_(deadline),
        epoll_(epoll.entry->fd),
        list_(epoll.registrations) {}

  Failure Run(int fdinfo) {
    if (Failure failure = ReadLines(fdinfo)) return failure;
    if (Failure failure = CountSameNumbers()) return failure;
    for (Registration& r : list_) {
      r.target = Find(r);
      if (deadline_.Over()) return kTooLate;
    }
    return {};
  }

 private:
  Failure ReadLines(int fdinfo) {
    Fd info(OpenNumbered(fdinfo, epoll_));
    if (info.get() < 0) return Check(info.get(), "open");
    Lines lines(info.get());
    while (const char* text = lines.Next()) {
      Registration parsed{};
      if (!Parse(text, parsed)) continue;
      if (parsed.inode == 0) {
        return {ENOTSUP, "fork", "the kernel does not show what an epoll watches"};
      }
      Registration* r = list_.Add(arena_);
      if (r == nullptr) return kArenaFull;
      *r = parsed;
      if (deadline_.Over()) return kTooLate;
    }
    return Check(lines.error(), "read");
  }

  // The kernel numbers them in the order of its tree, which is the order of the lines. Two files
  // with one number are rare: the number occurs twice if it is open, or it is closed.
  Failure CountSameNumbers() {
    bool any = false;
    for (Registration& r : list_) {
      Entry* entry = table_.Find(r.fd);
      any = any || entry == nullptr || entry->Has(Entry::kMet);
      if (entry != nullptr) entry->marks |= Entry::kMet;
    }
    for (Registration& r : list_) {
      Entry* entry = table_.Find(r.fd);
      if (entry != nullptr) entry->marks &= static_cast<uint16_t>(~Entry::kMet);
    }
    return any ? Count() : Failure{};
  }

  Failure Count() {
    struct Place {
      Registration* r;
      size_t at;
    };
    auto* places = arena_.Take<Place>(list_.size());
    if (places == nullptr) return kArenaFull;
    size_t n = 0;
    for (Registration& r : list_) {
      places[n] = {&r, n};
      ++n;
    }
    Sort(places, places + n, [](const Place& a, const Place& b) {
      return a.r->fd != b.r->fd ? a.r->fd < b.r->fd : a.at < b.at;
    });
    for (size_t i = 1; i < n; ++i) {
      if (places[i].r->fd == places[i - 1].r->fd) places[i].r->nth = places[i - 1].r->nth + 1;
    }
    return {};
  }

  // A registration outlives its descriptor if a duplicate keeps the file open; the number may
  // belong to another file now.
  Entry* Find(const Registration& r) {
    Entry* entry = table_.Find(r.fd);
    if (entry != nullptr && IsFile(*entry, r)) return entry;
    for (Entry& other : table_) {
      if (other.fd == r.fd || !MayBe(other, r)) continue;
      if (deadline_.Over()) return nullptr;
      const Answer answer = Ask(r, other.fd);
      if (answer == kSame) return &other;
      if (answer == kDenied) return nullptr;
    }
    return nullptr;
  }

  bool IsFile(Entry& entry, const Registration& r) {
    const bool same = table_.Inode(entry) == r.inode;
    // All nameless objects have one inode, and so have both ends of a pipe. On a layered file
    // system the inode of stat(2) differs from the kernel's own.
    if (same && (entry.kind == Kind::kSocket || steps_ > kMostSteps)) return true;
    const Answer answer = Ask(r, entry.fd);
    return answer == kSame || (answer == kDenied && same);
  }

  bool MayBe(Entry& entry, const Registration& r) const {
    return entry.kind == Kind::kOther || table_.Inode(entry) == r.inode;
  }

  enum Answer { kSame, kAnother, kDenied };

  // Does the registration belong to the file behind fd?
  Answer Ask(const Registration& r, int fd) {
    steps_ += list_.size();
    kcmp_epoll_slot slot{static_cast<uint32_t>(epoll_), static_cast<uint32_t>(r.fd), r.nth};
    const long pid = Sys(SYS_getpid);
    const long answer = Sys(SYS_kcmp, pid, pid, KCMP_EPOLL_TFD, fd, &slot);
    if (answer == 0) return kSame;
    return answer > 0 || answer == -EBADF || answer == -ENOENT ? kAnother : kDenied;
  }

  // kcmp(2) walks the epoll's tree for each question (ep_find_tfd), 3 ns a node. Beyond this number
  // (3 ms) the inode must suffice.
  static constexpr size_t kMostSteps = 1000000;

  const Table& table_;
  Arena& arena_;
  Deadline& deadline_;
  int epoll_;
  List<Registration>& list_;
  size_t steps_ = 0;
};

bool Disarmed(const Registration& r) {
  return (r.events & EPOLLONESHOT) != 0 && (r.events & ~kPrivateBits) == 0;
}

long Control(int epoll, int operation, const Registration& r, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = r.data;
  return Sys(SYS_epoll_ctl, epoll, operation, r.fd, &event);
}

// The kernel always adds EPOLLERR and EPOLLHUP, so a registration cannot be made disarmed: it must
// fire first. It is the only one in this epoll that can fire, because the others are not made yet
// or have fired.
Failure AddDisarmed(int epoll, const Registration& r) {
  const uint32_t anything = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP;
  if (long failed = Control(epoll, EPOLL_CTL_ADD, r, r.events | anything); failed < 0) {
    return Check(failed, "epoll_ctl");
  }
  epoll_event fired{};
  if (Sys(SYS_epoll_pwait, epoll, &fired, 1, 0, nullptr, 8) == 1) return {};
  // It is neither readable nor writable: only an error or a hang-up will be reported, once.
  return Check(Control(epoll, EPOLL_CTL_MOD, r, r.events), "epoll_ctl");
}

Failure Add(int epoll, const Registration& r) {
  if (Disarmed(r)) return AddDisarmed(epoll, r);
  return Check(Control(epoll, EPOLL_CTL_ADD, r, r.events), "epoll_ctl");
}

// For a file whose number is closed, or belongs to another file now: the file gets the number
// temporarily.
Failure AddByDuplicate(int epoll, const Registration& r) {
  const long flags = Sys(SYS_fcntl, r.fd, F_GETFD);
  const long kept = flags < 0 ? -1 : Sys(SYS_fcntl, r.fd, F_DUPFD_CLOEXEC, 0);
  if (flags >= 0 && kept < 0) return Check(kept, "fcntl");
  Failure failure = Check(Sys(SYS_dup3, r.target->fd, r.fd, O_CLOEXEC), "dup3");
  if (!failure) failure = Add(epoll, r);
  if (kept < 0) {
    Sys(SYS_close, r.fd);
    return failure;
  }
  Failure back = Place(kept, r.fd, (flags & FD_CLOEXEC) != 0, "fcntl");
  return failure ? failure : back;
}

}  // namespace

Failure ReadRegistrations(const ProcFiles& files, const Table& table, Arena& arena,
                          Deadline& deadline, Epoll& epoll) {
  return Reader(table, arena, deadline, epoll).Run(files.fdinfo.get());
}

// Epoll reports ready descriptors in the order in which they became ready. Severed ones come last,
// after pending wake-ups. If a loop saw an end first, it might drop the connection and then be
// asked to write to it: Node's inspector crashes in this case (TcpHolder, in
// src/inspector_socket.cc).
Failure MakeRegistrations(const List<Epoll>& epolls) {
  enum Turn { kDisarmed, kOpen, kEnded };
  for (const Turn turn : {kDisarmed, kOpen, kEnded}) {
    for (const Epoll& epoll : epolls) {
      const int fd = epoll.entry->fd;
      for (const Registration& r : epoll.registrations) {
        if (r.target == nullptr) continue;
        const Turn own = Disarmed(r) ? kDisarmed : r.target->Has(Entry::kSevered) ? kEnded : kOpen;
        if (own != turn) continue;
        Failure failure = r.target->fd == r.fd ? Add(fd, r) : AddByDuplicate(fd, r);
        if (failure) return failure;
      }
    }
  }
  return {};
}

}  // namespace livefork
