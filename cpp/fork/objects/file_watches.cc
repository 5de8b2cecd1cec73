#include "fork/objects/file_watches.h"

#include <sys/inotify.h>

#include <algorithm>

#include "fork/objects/same_file.h"
#include "fork/objects/watch_numbers.h"

namespace livefork {
namespace {

// File handles, packed one after the other: the arena alone would use a cache line or more for
// each.
class Texts {
 public:
  explicit Texts(Arena& arena) : arena_(arena) {}

  const char* Keep(const char* text) {
    const size_t size = strlen(text) + 1;
    if (size > left_) {
      left_ = size > kBlock ? size : kBlock;
      at_ = arena_.Take<char>(left_);
      if (at_ == nullptr) return nullptr;
    }
    char* kept = at_;
    memcpy(kept, text, size);
    at_ += size;
    left_ -= size;
    return kept;
  }

 private:
  static constexpr size_t kBlock = 16384;
  Arena& arena_;
  char* at_ = nullptr;
  size_t left_ = 0;
};

// Fills a new instance.
class Filling {
 public:
  Filling(int fd, Watches watches, int gaps, SameFileFinder& finder)
      : fd_(fd), watches_(watches), gaps_(gaps), finder_(finder), numbers_(fd, true) {}

  Failure Run() {
    const Watch* old = watches_.begin();
    for (Watch& watch : watches_) {
      if (Failure failure = numbers_.UseUp(NumberFor(watch, old))) return failure;
      watch.wd = numbers_.next();
      if (Failure failure = Add(watch)) return failure;
      // A file that cannot be watched keeps its number, which then gets no events.
      if (Failure failure = numbers_.UseUp(watch.wd + 1)) return failure;
    }
    return Compare();
  }

 private:
  // `old` runs over the same watches: the first whose number may still occur.
  int NumberFor(const Watch& watch, const Watch*& old) {
    int next = numbers_.next();
    const int gap = watch.before - next;
    if (!renumbers_ && gap <= gaps_) {
      gaps_ -= gap;
      return watch.before;
    }
    // Events that libuv has read but not delivered yet have old numbers. No watch gets another
    // one's old number, so the child loses these events, but none is reported for a wrong file.
    renumbers_ = true;
    for (; old != watches_.end() && old->before <= next; ++old) next += old->before == next;
    return next;
  }

  Failure Add(Watch& watch) {
    if (!watch.alive) return {};
    const bool again = watch.error != 0;
    long wd = again ? AddFound(watch) : -ENOENT;
    if (!again || (wd < 0 && watch.displaced)) wd = AddAt(watch.path, watch);
    if (wd == -ENOSPC || wd == -ENOMEM) return Check(wd, "inotify_add_watch");
    if (wd > watch.wd) return {ENOTSUP, "fork", "the kernel does not count watches as expected"};
    watch.displaced = wd >= 0 && wd != watch.wd;
    if (wd == watch.wd) {
      numbers_.Taken();
      watch.error = 0;
    } else if (!again) {
      watch.error = wd < 0 ? static_cast<int>(wd) : -ENOENT;
    }
    return {};
  }

  long AddAt(const char* path, const Watch& watch) {
    return Sys(SYS_inotify_add_watch, fd_, path, watch.mask);
  }

  long AddFound(const Watch& watch) {
    Fd found(finder_.Find(watch.file, watch.path));
    if (found.get() < 0) return found.get();
    return AddAt(OpenFile(found.get()).path, watch);
  }

  // A path may lead elsewhere now, but the kernel knows what is watched. A watch that is not listed
  // belongs to a file that has been deleted, which its events report.
  Failure Compare() {
    const long r = EachMark(fd_, [this](const Mark& mark) {
      Watch* watch = watches_.Find(&Watch::wd, mark.wd);
      if (watch == nullptr || SameFile(watch->file, mark.file)) return;
      watch->error = -ENOENT;
      watch->displaced = false;
    });
    for (Watch& watch : watches_) {
      if (watch.error != 0) Sys(SYS_inotify_rm_watch, fd_, watch.wd);
    }
    return Check(r, "read");
  }

  int fd_;
  Watches watches_;
  int gaps_;
  bool renumbers_ = false;
  SameFileFinder& finder_;
  WatchNumbers numbers_;
};

}  // namespace

Watch* Watches::Find(int Watch::*number, int wd) const {
  Watch* at = std::lower_bound(begin(), end(), wd,
                               [number](const Watch& w, int n) { return w.*number < n; });
  return at != end() && at->*number == wd ? at : nullptr;
}

Failure ReadWatches(int fd, Watches watches, Arena& arena) {
  Texts texts(arena);
  bool full = false, known = true;
  const long r = EachMark(fd, [&](const Mark& mark) {
    Watch* watch = watches.Find(&Watch::before, mark.wd);
    known = known && watch != nullptr;
    if (watch == nullptr) return;
    watch->alive = true;
    watch->mask = mark.mask;
    watch->file = mark.file;
    watch->file.handle = texts.Keep(mark.file.handle);
    full = full || watch->file.handle == nullptr;
  });
  if (r < 0) return Check(r, "read");
  if (full) return kArenaFull;
  if (known) return {};
  return {ENOTSUP, "fork", "libuv's file watchers differ from what the kernel watches"};
}

Failure WatchAgain(int fd, int flags, Watches watches, int gaps, Arena& arena) {
  SameFileFinder finder(arena);
  const auto failed = [](const Watch& watch) { return watch.error != 0; };
  // A number that was given to the wrong file is never given again, so a second attempt needs a new
  // instance.
  for (int pass = 0; pass < 2; ++pass) {
    if (Failure failure = PlaceInotify(fd, flags)) return failure;
    if (Failure failure = Filling(fd, watches, gaps, finder).Run()) return failure;
    if (std::none_of(watches.begin(), watches.end(), failed)) break;
  }
  return {};
}

}  // namespace livefork
