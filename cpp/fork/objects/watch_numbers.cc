#include "fork/objects/watch_numbers.h"

#include <sys/inotify.h>
#include <sys/ioctl.h>

#include "fork/objects/marks.h"

namespace livefork {
namespace {

// 2 microseconds each. An instance that has given out more has been in use for a long time; its
// owner then gets no events, not even an end.
constexpr int kEnds = 16384;

}  // namespace

Failure WatchNumbers::UseUp(int wanted) {
  if (next_ >= wanted) return {};
  if (read_.get() < 0) {
    int ends[2] = {-1, -1};
    if (long r = Sys(SYS_pipe2, ends, O_CLOEXEC); r < 0) return Check(r, "pipe2");
    read_.Reset(ends[0]);
    write_.Reset(ends[1]);
  }
  const OpenFile pipe(read_.get());
  while (next_ < wanted) {
    // The kernel accepts a mask with only IN_IGNORED, and no event of the pipe matches it.
    const long wd = Sys(SYS_inotify_add_watch, inotify_, pipe.path, IN_IGNORED);
    if (wd < 0) return Check(wd, "inotify_add_watch");
    if (wd != next_) return {ENOTSUP, "fork", "the kernel does not count watches as expected"};
    Sys(SYS_inotify_rm_watch, inotify_, wd);
    ++next_;
    if (++queued_ % 1024 == 0) Drain();
  }
  Drain();
  return {};
}

// Too many of them would overflow the queue (fs.inotify.max_queued_events), which then drops real
// events.
void WatchNumbers::Drain() {
  constexpr long kSize = sizeof(inotify_event);  // without a name
  int bytes = 0;
  if (!silent_ || mixed_ || queued_ == 0) return;
  // An event of a file may come before ours. Then all events are left in the queue, because libuv
  // ignores events of unknown watches.
  mixed_ = Sys(SYS_ioctl, inotify_, FIONREAD, &bytes) < 0 || bytes != queued_ * kSize;
  while (!mixed_ && queued_ > 0) {
    inotify_event events[64];
    const int n = queued_ < 64 ? queued_ : 64;
    mixed_ = Sys(SYS_read, inotify_, events, n * kSize) != n * kSize;
    queued_ -= n;
  }
}

Failure PlaceInotify(int fd, int flags) {
  const long fresh = Sys(SYS_inotify_init1, flags);
  if (fresh < 0) return Check(fresh, "inotify_init1");
  const long r = Sys(SYS_dup3, fresh, fd, O_CLOEXEC);
  Sys(SYS_close, fresh);
  return Check(r, "dup3");
}

Failure SeverInotify(int fd, int flags) {
  int last = 0;
  const long r = EachMark(fd, [&last](const Mark& mark) {
    if (mark.wd > last) last = mark.wd;
  });
  if (Failure failure = PlaceInotify(fd, flags)) return failure;
  // If the user may have no more watches, this is skipped.
  if (r == 0 && last <= kEnds) WatchNumbers(fd, false).UseUp(last + 1);
  return {};
}

}  // namespace livefork
