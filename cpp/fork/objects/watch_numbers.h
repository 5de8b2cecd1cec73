// The watch descriptors of a new inotify instance. The kernel assigns them in ascending order
// (idr_alloc_cyclic(), fs/notify/inotify) and never reuses one. So a certain number can be reached
// by using up those before it.
#pragma once

#include "fork/base/failure.h"
#include "fork/base/procfs.h"

namespace livefork {

class WatchNumbers {
 public:
  // silent: events that come from using up numbers are removed from the queue.
  WatchNumbers(int inotify, bool silent) : inotify_(inotify), silent_(silent) {}

  // The number of the next new watch.
  int next() const { return next_; }
  // A watch has taken next().
  void Taken() { ++next_; }

  // Adds and removes a watch of our own pipe until next() is `wanted`. Each leaves an IN_IGNORED in
  // the queue.
  Failure UseUp(int wanted);

 private:
  void Drain();

  int inotify_;
  bool silent_;
  bool mixed_ = false;
  int next_ = 1;
  int queued_ = 0;  // events of ours at the head of the queue
  Fd read_, write_;
};

// Puts an instance without watches at fd, for a watcher that cannot be rebuilt: a Worker's, or
// another library's, whose paths the kernel does not show. The watcher finds an IN_IGNORED for each
// number that the parent's instance has assigned, which means that the watch has ended. New watches
// get none of the old numbers.
Failure SeverInotify(int fd, int flags);

// Puts a new instance at fd.
Failure PlaceInotify(int fd, int flags);

}  // namespace livefork
