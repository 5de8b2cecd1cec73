// The registrations of the epolls.
#pragma once

#include <cstdint>

#include "fork/base/arena.h"
#include "fork/base/failure.h"
#include "fork/base/procfs.h"
#include "fork/freeze/table.h"

namespace livefork {

struct Registration {
  int fd;        // the number at its registration
  uint32_t nth;  // the index among files that had the same number in turn
  union {
    uint64_t inode;  // while it is being read
    // The file's present descriptor: that number, or a duplicate that outlived it. nullptr: this
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

// In the parent, all threads parked: reads what epoll.entry watches.
Failure ReadRegistrations(const ProcFiles& files, const Table& table, Arena& arena,
                          Deadline& deadline, Epoll& epoll);

// In the child, when all descriptors are at their numbers.
Failure MakeRegistrations(const List<Epoll>& epolls);

}  // namespace livefork
