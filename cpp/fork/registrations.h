// What the epolls watch.
#pragma once

#include <cstdint>

#include "fork/arena.h"
#include "fork/failure.h"
#include "fork/procfs.h"
#include "fork/table.h"

namespace livefork {

struct Registration {
  int epoll;
  int fd;   // the number that it was made with, and that an event is told by where libuv reads it
  int via;  // where the file is now: fd, or a duplicate that outlived it
  uint32_t events;
  uint64_t data;
};

// In the parent, all threads parked: adds those of one epoll to the list.
Failure ReadRegistrations(const ProcFiles& files, const Table& table, int epoll, Arena& arena,
                          Deadline& deadline, List<Registration>& registrations);

// In the child, when everything stands in its place.
Failure MakeRegistrations(const List<Registration>& registrations);

}  // namespace livefork
