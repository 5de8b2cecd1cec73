// The watch descriptors of a new inotify instance. The kernel hands them out in ascending order
// (idr_alloc_cyclic(), fs/notify/inotify) and never again, so a certain number can be had: by
// using up those before it.
#pragma once

#include "fork/base/failure.h"
#include "fork/base/procfs.h"

namespace livefork {

class WatchNumbers {
 public:
  // silent: what using numbers up leaves in the queue is taken out again.
  WatchNumbers(int inotify, bool silent) : inotify_(inotify), silent_(silent) {}

  // The number that the next new watch will get.
  int next() const { return next_; }
  // A watch has got next().
  void Taken() { ++next_; }

  // Until next() is wanted, adds a watch of a pipe of our own and removes it again. Each leaves an
  // IN_IGNORED in the queue.
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
// that of another library, whose paths the kernel does not tell. It finds an IN_IGNORED for each
// number that the parent's instance has given out, the sign that a watch is no more, and a watch
// that it adds gets none of the numbers that it still remembers.
Failure SeverInotify(int fd, int flags);

// Puts a new instance at fd.
Failure PlaceInotify(int fd, int flags);

}  // namespace livefork
