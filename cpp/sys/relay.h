// Forwards a daemon's standard error to its starter and to the log until the daemon is ready.
// Allocates no memory and takes no lock.
#pragma once

#include <poll.h>

#include <chrono>
#include <cstddef>

namespace sys {

// Copies from a socket to descriptor 2, which belongs to the starter and whose flags must not
// change, and to the log. A reader of descriptor 2 that does not read blocks neither the daemon nor
// the launcher: after a second without reads, data goes only to the log. When the reader reads
// again, it gets a report of how much it has missed.
class Relay {
 public:
  using Clock = std::chrono::steady_clock;

  // `log` is -1 for none.
  Relay(int line, int log) : line_(line), log_(log) {}

  // Forwards what is possible without waiting, but at most a few hundred kilobytes at a time, so
  // that a daemon that writes endlessly does not keep its launcher from checking the time. True if
  // there may be more.
  bool Pass();

  // The same for the rest, after the line's other end was closed; waits while the reader may still
  // read.
  void PassTheRest();

  // The event for poll(2) that means work for Pass(), and the latest time for it.
  pollfd Awaited() const;
  Clock::time_point Until() const;

 private:
  bool Waits() const;
  void Put(const char* bytes, size_t size);
  void TellLost();

  int line_;
  int log_;
  // Since when the reader has not read pending data; the clock's epoch: it reads everything.
  Clock::time_point stuck_{};
  size_t lost_ = 0;
};

}  // namespace sys
