// The child's side of descriptors.h: every private object made anew at its old number.
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "fork/descriptors.h"

namespace livefork {
namespace {

// Puts a fresh descriptor at the number of the one it replaces, which dup3 closes by that.
Failure Place(long fresh, int target, const char* syscall) {
  if (fresh < 0) return Check(fresh, syscall);
  long r = Sys(SYS_dup3, fresh, target, O_CLOEXEC);
  Sys(SYS_close, fresh);
  return Check(r, "dup3");
}

Failure Timer(const Descriptor& d) {
  const int flags = d.status & O_NONBLOCK;
  Failure failure =
      Place(Sys(SYS_timerfd_create, d.value, flags | O_CLOEXEC), d.fd, "timerfd_create");
  if (failure) return failure;
  // Armed as it was; one that has run out and was not read yet fires at once.
  uint64_t timer[4] = {d.timer[0], d.timer[1], d.timer[2], d.timer[3]};
  if (d.ticks > 0) {
    timer[2] = 0;
    timer[3] = 1;
  }
  return Check(Sys(SYS_timerfd_settime, d.fd, 0, timer, nullptr), "timerfd_settime");
}

class Twins {
 public:
  Twins(Snapshot& snapshot, const int* drop, size_t drop_count)
      : snapshot_(snapshot), drop_(drop), drop_count_(drop_count) {}

  Failure Run() {
    Failure failure;
    for (const Descriptor& d : snapshot_.descriptors) {
      if (d.twin_of == nullptr && (failure = Make(d))) return failure;
    }
    for (const Descriptor& d : snapshot_.descriptors) {
      if (d.twin_of != nullptr && (failure = Duplicate(d.twin_of->fd, d.fd))) return failure;
    }
    for (const Ring& ring : snapshot_.rings) {
      if ((failure = RebuildRing(ring))) return failure;
    }
    for (size_t i = 0; i < drop_count_; ++i) {
      long fresh = Sys(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if ((failure = Place(fresh, drop_[i], "socket"))) return failure;
    }
    // Last, when everything that an epoll can watch stands in its place.
    for (const Registration& r : snapshot_.registrations) {
      if (!Dropped(r.fd) && (failure = Register(r))) return failure;
    }
    return {};
  }

 private:
  static Failure Duplicate(int from, int to) {
    return Check(Sys(SYS_dup3, from, to, O_CLOEXEC), "dup3");
  }

  Failure Make(const Descriptor& d) {
    const int flags = (d.status & O_NONBLOCK) | O_CLOEXEC;
    switch (d.kind) {
      case Kind::kEpoll:
        return Place(Sys(SYS_epoll_create1, O_CLOEXEC), d.fd, "epoll_create1");
      case Kind::kEventfd: {
        Failure failure =
            Place(Sys(SYS_eventfd2, 0, flags | (d.semaphore ? 1 : 0)), d.fd, "eventfd2");
        if (failure || d.value == 0) return failure;
        return Check(Sys(SYS_write, d.fd, &d.value, sizeof d.value), "write");
      }
      case Kind::kPipe:
        return d.writes ? Failure{} : Pipe(d);
      case Kind::kInotify:
        return RebuildInotify(snapshot_.inotify, d.fd, flags);
      case Kind::kTimerfd:
        return Timer(d);
      case Kind::kSignalfd:
        return Place(Sys(SYS_signalfd4, -1, &d.value, sizeof d.value, flags), d.fd, "signalfd4");
      case Kind::kRing:
        return {};  // needs its memory: RebuildRing
    }
    return {};
  }

  Failure Pipe(const Descriptor& reader) {
    int ends[2] = {-1, -1};
    if (long r = Sys(SYS_pipe2, ends, O_CLOEXEC | (reader.status & O_DIRECT)); r < 0) {
      return Check(r, "pipe2");
    }
    for (const PipeContent& content : snapshot_.contents) {
      if (content.inode != reader.inode) continue;
      Sys(SYS_fcntl, ends[1], F_SETPIPE_SZ, content.capacity);
      long n = Sys(SYS_write, ends[1], content.bytes, content.size);
      if (n != static_cast<long>(content.size)) return Check(n < 0 ? n : -EIO, "write");
    }
    for (const Descriptor& writer : snapshot_.descriptors) {
      bool other_end = writer.kind == Kind::kPipe && writer.writes && writer.inode == reader.inode;
      if (!other_end || writer.twin_of != nullptr) continue;
      if (Failure failure = PlaceEnd(ends[1], writer)) return failure;
    }
    return PlaceEnd(ends[0], reader);
  }

  static Failure PlaceEnd(int fresh, const Descriptor& d) {
    if (Failure failure = Place(fresh, d.fd, "dup3")) return failure;
    return Check(Sys(SYS_fcntl, d.fd, F_SETFL, d.status & (O_NONBLOCK | O_DIRECT)), "fcntl");
  }

  static Failure Register(const Registration& r) {
    epoll_event event{};
    event.events = r.events;
    event.data.u64 = r.data;
    return Check(Sys(SYS_epoll_ctl, r.epoll, EPOLL_CTL_ADD, r.fd, &event), "epoll_ctl");
  }

  bool Dropped(int fd) const {
    for (size_t i = 0; i < drop_count_; ++i) {
      if (drop_[i] == fd) return true;
    }
    return false;
  }

  Snapshot& snapshot_;
  const int* drop_;
  size_t drop_count_;
};

}  // namespace

Failure MakeTwins(Snapshot& snapshot, const int* drop, size_t drop_count) {
  // A soft limit that was lowered below numbers in use would refuse them now.
  rlimit limit{}, open{};
  Sys(SYS_prlimit64, 0, RLIMIT_NOFILE, nullptr, &limit);
  open = limit;
  open.rlim_cur = limit.rlim_max;
  Sys(SYS_prlimit64, 0, RLIMIT_NOFILE, &open, nullptr);
  Failure failure = Twins(snapshot, drop, drop_count).Run();
  Sys(SYS_prlimit64, 0, RLIMIT_NOFILE, &limit, nullptr);
  return failure;
}

}  // namespace livefork
