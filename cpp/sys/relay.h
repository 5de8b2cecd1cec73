// What a daemon says on standard error before it is ready: passed on to its starter and to the log.
// Takes no memory and no lock.
#pragma once

#include <poll.h>

#include <chrono>
#include <cstddef>

namespace sys {

// Copies from a socket to descriptor 2, which is the starter's and whose flags are not to change,
// and to the log. Neither the daemon nor whoever waits for it is held up by a reader of descriptor
// 2 that does not read: after a second without taking anything, what there is goes to the log
// alone, until the reader takes something again, which is told then how much that was.
class Relay {
 public:
  using Clock = std::chrono::steady_clock;

  // `log` is -1 for none.
  Relay(int line, int log) : line_(line), log_(log) {}

  // Passes on what can be without waiting, but no more than a few hundred kilobytes at a time: a
  // daemon that does not stop talking shall not keep its launcher from looking at the clock. True
  // if there may be more.
  bool Pass();

  // The same for what was said before the line's other end was closed; waits while the reader may
  // take it.
  void PassTheRest();

  // What poll(2) tells of when Pass() has something to do, and when it has at the latest.
  pollfd Awaited() const;
  Clock::time_point Until() const;

 private:
  bool Waits() const;
  void Put(const char* bytes, size_t size);
  void TellLost();

  int line_;
  int log_;
  // Since when the reader has not taken what there is; the clock's epoch: it takes all.
  Clock::time_point stuck_{};
  size_t lost_ = 0;
};

}  // namespace sys
