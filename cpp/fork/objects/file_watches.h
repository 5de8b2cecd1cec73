// The watches of an inotify instance, made again in a new one: of the same files and, as far as
// that is cheap, under the same numbers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fork/base/arena.h"
#include "fork/base/failure.h"
#include "fork/objects/marks.h"

namespace livefork {

struct Watch {
  void* owner;       // whoever remembers the number
  const char* path;  // by which it was made
  int before;        // its number in the parent
  int wd;            // and in the child
  bool alive;        // the kernel watches it in the parent: false once its file is gone
  uint32_t mask;
  File file;
  int error;       // why the child cannot watch it, -errno
  bool displaced;  // its path led to a file that an earlier watch has got
};

struct Watches {
  Watch* items;  // in ascending order of both numbers
  size_t count;
  Watch* begin() const { return items; }
  Watch* end() const { return items + count; }
  // The watch of that number, or nullptr.
  Watch* Find(int Watch::*number, int wd) const;
};

// Completes the watches by what the kernel says of the parent's instance, which is still at fd.
// Fails with ENOTSUP if it watches anything else.
Failure ReadWatches(int fd, Watches watches, Arena& arena);

// Puts a new instance at fd. At most that many numbers are used up to give each watch its old one;
// from then on they get numbers that none of them had.
Failure WatchAgain(int fd, int flags, Watches watches, int gaps, Arena& arena);

}  // namespace livefork
