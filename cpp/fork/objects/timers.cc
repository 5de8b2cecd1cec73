#include "fork/objects/timers.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <time.h>

#include "fork/base/place.h"
#include "fork/objects/objects.h"
#include "fork/park/park.h"

namespace livefork {
namespace {

constexpr int64_t kSecond = 1000000000;
constexpr int kCancelOnSet = 2;                              // TFD_TIMER_CANCEL_ON_SET
constexpr unsigned long kSetTicks = _IOW('T', 0, uint64_t);  // TFD_IOC_SET_TICKS, 3.17

int64_t Nanoseconds(const uint64_t* time) {
  return static_cast<int64_t>(time[0]) * kSecond + static_cast<int64_t>(time[1]);
}

timespec Split(int64_t ns) {
  return {static_cast<time_t>(ns / kSecond), static_cast<long>(ns % kSecond)};
}

// A relative time on the settable clock does not change when that clock is set.
bool CountsByItself(const Timer& timer) {
  const bool settable = timer.clock == CLOCK_REALTIME || timer.clock == CLOCK_REALTIME_ALARM;
  return settable && (timer.flags & TFD_TIMER_ABSTIME) == 0;
}

}  // namespace

// timerfd_gettime(2) counts expirations of an interval after the first one, which fdinfo alone does
// not (fs/timerfd.c, ctx->expired).
Failure DescribeTimer(int fdinfo, int fd, Timer& timer) {
  ObjectFacts facts;
  for (int tries = 0; tries < 3; ++tries) {
    itimerspec now{};
    Sys(SYS_timerfd_gettime, fd, &now);
    if (Failure failure = ReadFacts(fdinfo, fd, facts)) return failure;
    const bool ran_out_meanwhile =
        Nanoseconds(facts.left) == 0 && Nanoseconds(facts.interval) != 0 && facts.ticks != 0;
    if (!ran_out_meanwhile) break;
  }
  timespec by_own_clock{};
  Sys(SYS_clock_gettime, facts.value, &by_own_clock);
  timer.read_at = static_cast<int64_t>(MonotonicNs());
  timer.clock = facts.value;
  timer.ticks = facts.ticks;
  timer.flags = facts.settime_flags;
  timer.left = Nanoseconds(facts.left);
  timer.interval = Nanoseconds(facts.interval);
  timer.armed = timer.left != 0 || (timer.interval != 0 && timer.ticks != 0);
  timer.next = by_own_clock.tv_sec * kSecond + by_own_clock.tv_nsec + timer.left;
  return {};
}

namespace {

// A setting of a timer whose next expiration is `next` on the clock `clock`.
class Setting {
 public:
  explicit Setting(const Timer& timer)
      : by_itself_(CountsByItself(timer)),
        clock_(by_itself_ ? uint64_t{CLOCK_MONOTONIC} : timer.clock),
        interval_(timer.interval),
        armed_(timer.armed),
        flags_(timer.flags & kCancelOnSet),
        next_(by_itself_ ? timer.read_at + timer.left : timer.next),
        ticks_(timer.ticks) {}

  // An expiration between the two calls would be overwritten. So it is counted here, and the calls
  // are repeated.
  Failure Make(int fd) {
    do {
      CountPassed();
      if (Failure failure = Set(fd)) return failure;
      if (ticks_ == 0 || Sys(SYS_ioctl, fd, kSetTicks, &ticks_) == 0) continue;
      // A kernel without the call (CONFIG_CHECKPOINT_RESTORE): one expiration instead of several.
      const itimerspec at_once{Split(interval_), {0, 1}};
      return Check(Sys(SYS_timerfd_settime, fd, 0, &at_once, nullptr), "timerfd_settime");
    } while (armed_ && ticks_ != 0 && Now() >= next_);
    return {};
  }

 private:
  int64_t Now() const {
    timespec now{};
    Sys(SYS_clock_gettime, clock_, &now);
    return now.tv_sec * kSecond + now.tv_nsec;
  }

  void CountPassed() {
    const int64_t late = Now() - next_;
    if (!armed_ || late < 0) return;
    const int64_t times = interval_ == 0 ? 1 : late / interval_ + 1;
    ticks_ += static_cast<uint64_t>(times);
    next_ += times * interval_;
    armed_ = interval_ != 0;
  }

  Failure Set(int fd) const {
    const int64_t first = by_itself_ ? next_ - Now() : next_;
    itimerspec spec{Split(interval_), {0, 0}};
    if (armed_) spec.it_value = Split(first > 0 ? first : 1);
    const int flags = by_itself_ ? 0 : flags_ | TFD_TIMER_ABSTIME;
    return Check(Sys(SYS_timerfd_settime, fd, flags, &spec, nullptr), "timerfd_settime");
  }

  bool by_itself_;
  uint64_t clock_;
  int64_t interval_;
  bool armed_;
  int flags_;
  int64_t next_;
  uint64_t ticks_;
};

}  // namespace

// The timer expires at the same moment as the parent's.
Failure MakeTimer(const Timer& timer, int fd, int status, bool closes_on_exec) {
  const long fresh = Sys(SYS_timerfd_create, timer.clock, (status & O_NONBLOCK) | TFD_CLOEXEC);
  Failure failure = Place(fresh, fd, closes_on_exec, "timerfd_create");
  if (failure || (!timer.armed && timer.ticks == 0)) return failure;
  return Setting(timer).Make(fd);
}

}  // namespace livefork
