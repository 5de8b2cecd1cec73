#include "fork/registrations.h"

#include <linux/kcmp.h>
#include <poll.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cstring>

#include "fork/place.h"

namespace livefork {
namespace {

// EP_PRIVATE_BITS of fs/eventpoll.c: what is left of a registration that has fired under
// EPOLLONESHOT.
constexpr uint32_t kPrivateBits = EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE;

struct Line {
  int fd;
  uint32_t events;
  uint64_t data, inode;
  unsigned nth;  // among those of the same number: files that it stood for one after the other
};

// "tfd: 13 events: 19 data: d  pos:0 ino:3567 sdev:f"
bool Parse(const char* text, Line& line) {
  if (!Skip(text, "tfd:")) return false;
  line.fd = static_cast<int>(Number(text, 10));
  Skip(text, " events:");
  line.events = static_cast<uint32_t>(Number(text, 16));
  Skip(text, " data:");
  line.data = Number(text, 16);
  text = strstr(text, "ino:");
  if (text != nullptr) text += 4;
  line.inode = text == nullptr ? 0 : Number(text, 16);
  return true;
}

class Reader {
 public:
  Reader(const Table& table, int epoll, Arena& arena, Deadline& deadline)
      : table_(table), epoll_(epoll), arena_(arena), deadline_(deadline) {}

  Failure Run(int fdinfo, List<Registration>& list) {
    if (Failure failure = ReadLines(fdinfo)) return failure;
    if (Failure failure = CountSameNumbers()) return failure;
    for (const Line& line : lines_) {
      const int via = Find(line);
      if (deadline_.Over()) return kTooLate;
      if (via < 0) continue;  // of a file that this process has no descriptor of any more
      Registration* registration = list.Add(arena_);
      if (registration == nullptr) return kArenaFull;
      *registration = {epoll_, line.fd, via, line.events, line.data};
    }
    return {};
  }

 private:
  Failure ReadLines(int fdinfo) {
    const Name name = Decimal(static_cast<unsigned>(epoll_));
    Fd info(Sys(SYS_openat, fdinfo, name.text, O_RDONLY | O_CLOEXEC, 0));
    if (info.get() < 0) return Check(info.get(), "open");
    Lines lines(info.get());
    while (const char* text = lines.Next()) {
      Line line{};
      if (!Parse(text, line)) continue;
      if (line.inode == 0) {
        return {ENOTSUP, "fork", "the kernel does not say what an epoll watches"};
      }
      Line* kept = lines_.Add(arena_);
      if (kept == nullptr) return kArenaFull;
      *kept = line;
      if (deadline_.Over()) return kTooLate;
    }
    return Check(lines.error(), "read");
  }

  // The kernel counts them in the order of its tree, which is that of the lines.
  Failure CountSameNumbers() {
    struct Place {
      Line* line;
      size_t at;
    };
    auto* places = arena_.Take<Place>(lines_.size());
    if (places == nullptr) return kArenaFull;
    size_t n = 0;
    for (Line& line : lines_) {
      places[n] = {&line, n};
      ++n;
    }
    std::sort(places, places + n, [](const Place& a, const Place& b) {
      return a.line->fd != b.line->fd ? a.line->fd < b.line->fd : a.at < b.at;
    });
    for (size_t i = 1; i < n; ++i) {
      if (places[i].line->fd == places[i - 1].line->fd) {
        places[i].line->nth = places[i - 1].line->nth + 1;
      }
    }
    return {};
  }

  // A registration outlives its descriptor where a duplicate keeps the file open; the number may be
  // another file's by now.
  int Find(const Line& line) {
    Entry* entry = table_.Find(line.fd);
    if (entry != nullptr && IsFile(*entry, line)) return line.fd;
    for (Entry& other : table_) {
      if (other.fd == line.fd || !MayBe(other, line)) continue;
      if (deadline_.Over()) return -1;
      const Answer answer = Ask(line, other.fd);
      if (answer == kSame) return other.fd;
      if (answer == kDenied) return -1;
    }
    return -1;
  }

  bool IsFile(Entry& entry, const Line& line) {
    const bool same = table_.Inode(entry) == line.inode;
    // One inode is behind all nameless objects, one behind both ends of a pipe; and on a file
    // system of layers the inode that stat(2) tells is another than the kernel's own.
    if (same && (entry.kind == Kind::kSocket || steps_ > kMostSteps)) return true;
    const Answer answer = Ask(line, entry.fd);
    return answer == kSame || (answer == kDenied && same);
  }

  bool MayBe(Entry& entry, const Line& line) const {
    return entry.kind == Kind::kOther || table_.Inode(entry) == line.inode;
  }

  enum Answer { kSame, kAnother, kDenied };

  // Does the registration belong to the file behind fd?
  Answer Ask(const Line& line, int fd) {
    steps_ += lines_.size();
    kcmp_epoll_slot slot{static_cast<uint32_t>(epoll_), static_cast<uint32_t>(line.fd), line.nth};
    const long pid = Sys(SYS_getpid);
    const long r = Sys(SYS_kcmp, pid, pid, KCMP_EPOLL_TFD, fd, &slot);
    if (r == 0) return kSame;
    return r > 0 || r == -EBADF || r == -ENOENT ? kAnother : kDenied;
  }

  // kcmp(2) walks the epoll's tree for each question (ep_find_tfd), 3 ns a node. Beyond so many the
  // inode must do: 10 ms.
  static constexpr size_t kMostSteps = 3000000;

  const Table& table_;
  int epoll_;
  Arena& arena_;
  Deadline& deadline_;
  List<Line> lines_;
  size_t steps_ = 0;
};

bool Disarmed(const Registration& r) {
  return (r.events & EPOLLONESHOT) != 0 && (r.events & ~kPrivateBits) == 0;
}

long Control(int operation, const Registration& r, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = r.data;
  return Sys(SYS_epoll_ctl, r.epoll, operation, r.fd, &event);
}

// The kernel adds EPOLLERR and EPOLLHUP to whatever it is told, so nothing can be registered
// disarmed: it must fire. It is the only one in this epoll that can, as the others are not made yet
// or have fired.
Failure AddDisarmed(const Registration& r) {
  const uint32_t anything = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP;
  if (long failed = Control(EPOLL_CTL_ADD, r, r.events | anything); failed < 0) {
    return Check(failed, "epoll_ctl");
  }
  epoll_event fired{};
  if (Sys(SYS_epoll_pwait, r.epoll, &fired, 1, 0, nullptr, 8) == 1) return {};
  // It is neither readable nor writable: an error or a hang-up will be told once.
  return Check(Control(EPOLL_CTL_MOD, r, r.events), "epoll_ctl");
}

Failure Add(const Registration& r) {
  if (Disarmed(r)) return AddDisarmed(r);
  return Check(Control(EPOLL_CTL_ADD, r, r.events), "epoll_ctl");
}

// One whose number is closed, or another file's by now: the file gets the number for the moment.
Failure AddByDuplicate(const Registration& r) {
  const long flags = Sys(SYS_fcntl, r.fd, F_GETFD);
  const long kept = flags < 0 ? -1 : Sys(SYS_fcntl, r.fd, F_DUPFD_CLOEXEC, 0);
  if (flags >= 0 && kept < 0) return Check(kept, "fcntl");
  Failure failure = Check(Sys(SYS_dup3, r.via, r.fd, O_CLOEXEC), "dup3");
  if (!failure) failure = Add(r);
  if (kept < 0) {
    Sys(SYS_close, r.fd);
    return failure;
  }
  Failure back = Place(kept, r.fd, (flags & FD_CLOEXEC) != 0, "fcntl");
  return failure ? failure : back;
}

// One that has been severed. Epoll tells what is ready in the order in which it became so: ends
// come last, behind the wake-ups that were under way. A loop that meets an end first may give the
// connection up and then be told to write to it: Node's inspector faults there (TcpHolder, in
// src/inspector_socket.cc).
bool AtEnd(const Registration& r) {
  pollfd end{r.via, POLLIN, 0};
  timespec now{0, 0};
  return Sys(SYS_ppoll, &end, 1, &now, nullptr, 0) == 1 && (end.revents & POLLHUP) != 0;
}

}  // namespace

Failure ReadRegistrations(const ProcFiles& files, const Table& table, int epoll, Arena& arena,
                          Deadline& deadline, List<Registration>& registrations) {
  return Reader(table, epoll, arena, deadline).Run(files.fdinfo.get(), registrations);
}

Failure MakeRegistrations(const List<Registration>& registrations) {
  enum Turn { kDisarmed, kOpen, kEnded };
  for (const Turn turn : {kDisarmed, kOpen, kEnded}) {
    for (const Registration& r : registrations) {
      const Turn own = Disarmed(r) ? kDisarmed : AtEnd(r) ? kEnded : kOpen;
      if (own != turn) continue;
      if (Failure failure = r.via == r.fd ? Add(r) : AddByDuplicate(r)) return failure;
    }
  }
  return {};
}

}  // namespace livefork
