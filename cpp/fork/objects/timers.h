// timerfds: remaining time, expirations, and the child's own timers.
#pragma once

#include <cstdint>

#include "fork/base/failure.h"

namespace livefork {

struct Timer {
  uint64_t clock;
  uint64_t ticks;  // unread expirations
  int flags;       // TFD_TIMER_ABSTIME and TFD_TIMER_CANCEL_ON_SET of its setting
  bool armed;
  int64_t next;     // the next expiration on its own clock, in nanoseconds
  int64_t read_at;  // when that was read, by CLOCK_MONOTONIC
  int64_t left;     // until then
  int64_t interval;
};

// In the parent, all threads parked.
Failure DescribeTimer(int fdinfo, int fd, Timer& timer);

// In the child.
Failure MakeTimer(const Timer& timer, int fd, int status, bool closes_on_exec);

}  // namespace livefork
