// Makes the watches of an inotify instance again in a new one: for the same files and, as far as
// that is cheap, with the same numbers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fork/base/arena.h"
#include "fork/base/failure.h"
#include "fork/objects/marks.h"

namespace livefork {

struct Watch {
  void* owner;       // the object that stores the number
  const char* path;  // the path of the watch
  int before;        // its number in the parent
  int wd;            // its number in the child
  bool alive;        // the kernel watches it in the parent; false after its file is deleted
  uint32_t mask;
  File file;
  int error;       // why the child cannot watch it, -errno
  bool displaced;  // its path led to a file that an earlier watch has
};

struct Watches {
  Watch* items;  // in ascending order of both numbers
  size_t count;
  Watch* begin() const { return items; }
  Watch* end() const { return items + count; }
  // The watch of that number, or nullptr.
  Watch* Find(int Watch::*number, int wd) const;
};

// Completes the watches from the kernel's data about the parent's instance, which is still at fd.
// Fails with ENOTSUP if that watches anything else.
Failure ReadWatches(int fd, Watches watches, Arena& arena);

// Puts a new instance at fd. Uses up at most `gaps` numbers to give each watch its old one. Further
// watches get numbers that none of them had.
Failure WatchAgain(int fd, int flags, Watches watches, int gaps, Arena& arena);

}  // namespace livefork
