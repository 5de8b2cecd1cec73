// timerfds: what is left, what has run out, and the child's own.
#pragma once

#include <cstdint>

#include "fork/base/failure.h"

namespace livefork {

struct Timer {
  uint64_t clock;
  uint64_t ticks;  // expirations that were not read yet
  int flags;       // TFD_TIMER_ABSTIME and TFD_TIMER_CANCEL_ON_SET, as it was set
  bool armed;
  int64_t next;     // when it runs out, by its own clock, in nanoseconds
  int64_t read_at;  // when that was found out, by CLOCK_MONOTONIC
  int64_t left;     // until then
  int64_t interval;
};

// In the parent, all threads parked.
Failure DescribeTimer(int fdinfo, int fd, Timer& timer);

// In the child.
Failure MakeTimer(const Timer& timer, int fd, int status, bool closes_on_exec);

}  // namespace livefork
