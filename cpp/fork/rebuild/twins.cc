// The child's part of descriptors.h: makes every private object at its old number.
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "fork/freeze/descriptors.h"

namespace livefork {
namespace {

Failure MakeEventfd(const Descriptor& d, int flags) {
  const int kind = d.semaphore ? 1 : 0;  // EFD_SEMAPHORE
  Failure failure = Place(Sys(SYS_eventfd2, 0, flags | kind), d.fd, d.closes_on_exec, "eventfd2");
  if (failure || d.value == 0) return failure;
  return Check(Sys(SYS_write, d.fd, &d.value, sizeof d.value), "write");
}

// It is placed there, close-on-exec.
Failure MakeInotify(const Descriptor& d, int flags, FileWatchers& watchers) {
  Failure failure = RebuildInotify(watchers, d.fd, flags);
  if (failure || d.closes_on_exec) return failure;
  return Check(Sys(SYS_fcntl, d.fd, F_SETFD, 0), "fcntl");
}

Failure Make(const Descriptor& d, FileWatchers& watchers) {
  const int flags = (d.status & O_NONBLOCK) | O_CLOEXEC;
  auto place = [&](long fresh, const char* syscall) {
    return Place(fresh, d.fd, d.closes_on_exec, syscall);
  };
  switch (d.kind) {
    case Kind::kEpoll:
      return place(Sys(SYS_epoll_create1, O_CLOEXEC), "epoll_create1");
    case Kind::kEventfd:
      return MakeEventfd(d, flags);
    case Kind::kInotify:
      return MakeInotify(d, flags, watchers);
    case Kind::kTimerfd:
      return MakeTimer(d.timer, d.fd, d.status, d.closes_on_exec);
    case Kind::kSignalfd:
      return place(Sys(SYS_signalfd4, -1, &d.value, sizeof d.value, flags), "signalfd4");
    default:
      return {};
  }
}

template <typename T>
Failure Each(const List<T>& list, Failure (*make)(const T&)) {
  for (const T& item : list) {
    if (Failure failure = make(item)) return failure;
  }
  return {};
}

// The epolls' registrations come last, when all objects that an epoll can watch are at their
// numbers.
Failure MakeAll(Snapshot& snapshot) {
  const Conversations& conversations = snapshot.conversations;
  for (const Descriptor& d : snapshot.descriptors) {
    if (Failure failure = Make(d, snapshot.inotify)) return failure;
  }
  Failure failure = Each(snapshot.files_in_use.files, MakeFileInUse);
  if (!failure) failure = Each(snapshot.files_in_use.duplicates, MakeDuplicate);
  if (!failure) failure = Each(snapshot.pipes, MakePipe);
  if (!failure) failure = Each(conversations.severed, MakeStandIn);
  if (!failure) failure = Each(conversations.pairs, MakePair);
  if (!failure) failure = Each(snapshot.rings, RebuildRing);
  if (!failure) failure = Each(snapshot.duplicates, MakeDuplicate);
  if (!failure) failure = Each(conversations.duplicates, MakeDuplicate);
  return failure ? failure : MakeRegistrations(snapshot.epolls);
}

}  // namespace

Failure MakeTwins(Snapshot& snapshot) {
  snapshot.peers.Close();
  RememberLineage();
  // If the soft limit was lowered below numbers in use, placing them would fail.
  rlimit limit{}, open{};
  Sys(SYS_prlimit64, 0, RLIMIT_NOFILE, nullptr, &limit);
  open = limit;
  open.rlim_cur = limit.rlim_max;
  Sys(SYS_prlimit64, 0, RLIMIT_NOFILE, &open, nullptr);
  WithholdRequests(snapshot.writes);
  Failure failure = MakeAll(snapshot);
  Sys(SYS_prlimit64, 0, RLIMIT_NOFILE, &limit, nullptr);
  return failure;
}

}  // namespace livefork
