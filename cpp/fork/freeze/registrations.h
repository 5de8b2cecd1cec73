// What the epolls watch.
#pragma once

#include <cstdint>

#include "fork/base/arena.h"
#include "fork/base/failure.h"
#include "fork/base/procfs.h"
#include "fork/freeze/table.h"

namespace livefork {

struct Registration {
  int fd;        // the number that it was made with
  uint32_t nth;  // among those of the same number: files that it stood for one after the other
  union {
    uint64_t inode;  // while it is being read
    // Where the file is now: at that number, or at a duplicate's that outlived it. nullptr: this
    // process has no descriptor of it any more, and the child does not watch it.
    Entry* target;
  };
  uint64_t data;
  uint32_t events;
};

struct Epoll {
  Entry* entry;
  List<Registration> registrations;
};

// In the parent, all threads parked: what epoll.entry watches.
Failure ReadRegistrations(const ProcFiles& files, const Table& table, Arena& arena,
                          Deadline& deadline, Epoll& epoll);

// In the child, when everything stands in its place.
Failure MakeRegistrations(const List<Epoll>& epolls);

}  // namespace livefork
