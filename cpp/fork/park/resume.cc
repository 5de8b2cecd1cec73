#include "fork/park/resume.h"

#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <time.h>

#include "fork/park/calls.h"
#include "fork/park/park.h"
#include "fork/park/rest.h"

namespace livefork {
namespace {

constexpr uint64_t kSecond = 1000000000;

uint64_t Nanoseconds(const timespec& time) {
  return static_cast<uint64_t>(time.tv_sec) * kSecond + static_cast<uint64_t>(time.tv_nsec);
}

timespec Timespec(uint64_t ns) {
  return {static_cast<time_t>(ns / kSecond), static_cast<long>(ns % kSecond)};
}

uint64_t* MaskOf(void* ucontext) {
  return reinterpret_cast<uint64_t*>(&static_cast<ucontext_t*>(ucontext)->uc_sigmask);
}

// Whether a signal is pending that the thread does not block, and that came while all were blocked.
// The main thread gets signals to the process, as without a fork, once it has restored its mask.
bool OwnSignalWaits(void* ucontext) {
  for (long pause = 50000; pause < 50000000; pause *= 2) {
    uint64_t pending = 0;
    Sys(SYS_rt_sigpending, &pending, kMaskSize);
    if ((pending & ~*MaskOf(ucontext)) == 0) return false;
    timespec moment{0, pause};
    Sys(SYS_nanosleep, &moment, nullptr);
  }
  return true;
}

// The kernel does not show when a call began, so its time limit counts from now. The call ends late
// by the time before the first signal, but never early, and further signals do not add to this.
class Limit {
 public:
  explicit Limit(uint64_t ns) : end_(MonotonicNs() + ns) {}
  uint64_t Left() const {
    const uint64_t now = MonotonicNs();
    return now < end_ ? end_ - now : 0;
  }

 private:
  uint64_t end_;
};

template <typename T>
long Address(T* pointer) {
  return reinterpret_cast<long>(pointer);
}

// ppoll(2) and epoll_pwait(2) set the thread's own mask and wait in one step, so no signal can come
// in between.
[[maybe_unused]] long Poll(const Call& call, uint64_t ns, uint64_t* mask) {
  const Limit limit(ns);
  timespec left;
  return Repeat(SYS_ppoll, [&](long* a) {
    left = Timespec(limit.Left());
    a[0] = call.arguments[0];
    a[1] = call.arguments[1];
    a[2] = Address(&left);
    a[3] = Address(mask);
    a[4] = kMaskSize;
  });
}

// Rounded up, as epoll_wait(2) counts milliseconds.
long WaitForEvents(const Call& call, uint64_t ns, const uint64_t* mask) {
  const Limit limit(ns);
  return Repeat(SYS_epoll_pwait, [&](long* a) {
    for (int i = 0; i < 3; ++i) a[i] = call.arguments[i];
    a[3] = static_cast<long>((limit.Left() + 999999) / 1000000);
    a[4] = Address(mask);
    a[5] = kMaskSize;
  });
}

// Sleeps by ppoll(2) without descriptors. Returns the remaining time if requested, as nanosleep(2)
// does.
long SleepOn(uint64_t ns, timespec* remaining, uint64_t* mask) {
  const Limit limit(ns);
  timespec left;
  const long result = Repeat(SYS_ppoll, [&](long* a) {
    left = Timespec(limit.Left());
    a[2] = Address(&left);
    a[3] = Address(mask);
    a[4] = kMaskSize;
  });
  if (result < 0 && remaining != nullptr) *remaining = Timespec(limit.Left());
  return result;
}

// Calls with a time limit as struct timespec at arguments[at]: repeated with the remaining time.
long WithTimespec(const Call& call, int at, const uint64_t* mask) {
  const Limit limit(Nanoseconds(*reinterpret_cast<const timespec*>(call.arguments[at])));
  timespec left;
  return Unmasked(mask, [&] {
    return Repeat(call.number, [&](long* a) {
      for (int i = 0; i < 6; ++i) a[i] = call.arguments[i];
      left = Timespec(limit.Left());
      a[at] = Address(&left);
    });
  });
}

long WaitForFutex(const Call& call, const uint64_t* mask) {
  return WithTimespec(call, 3, mask);
}

// nanosleep(2) has returned the remaining time, if requested.
uint64_t ToSleep(long request, long remaining) {
  return Nanoseconds(*reinterpret_cast<const timespec*>(remaining != 0 ? remaining : request));
}

constexpr long kAgain = -1001;  // repeat unchanged: no time limit, or an absolute one

// Continues a call; returns its result, or kAgain.
long GoOn(const Call& call, uint64_t* mask) {
  const long* a = call.arguments;
  const auto milliseconds = [&](int at) {
    return static_cast<uint64_t>(static_cast<int>(a[at])) * 1000000;
  };
  switch (call.number) {
#ifdef SYS_poll
    case SYS_poll:
      return static_cast<int>(a[2]) < 0 ? kAgain : Poll(call, milliseconds(2), mask);
#endif
#ifdef SYS_epoll_wait
    case SYS_epoll_wait:
      return static_cast<int>(a[3]) < 0 ? kAgain : WaitForEvents(call, milliseconds(3), mask);
#endif
    case SYS_epoll_pwait:
      if (static_cast<int>(a[3]) < 0) return kAgain;
      return WaitForEvents(call, milliseconds(3),
                           a[4] == 0 ? mask : reinterpret_cast<const uint64_t*>(a[4]));
#ifdef SYS_epoll_pwait2
    case SYS_epoll_pwait2:
      return a[3] == 0 ? kAgain : WithTimespec(call, 3, mask);
#endif
    case SYS_nanosleep:
      return SleepOn(ToSleep(a[0], a[1]), reinterpret_cast<timespec*>(a[1]), mask);
    case SYS_clock_nanosleep:
      if ((a[1] & TIMER_ABSTIME) != 0) return kAgain;
      return SleepOn(ToSleep(a[2], a[3]), reinterpret_cast<timespec*>(a[3]), mask);
    case SYS_futex:
      // Only FUTEX_WAIT has a relative limit.
      if ((a[1] & FUTEX_CMD_MASK) != FUTEX_WAIT || a[3] == 0) return kAgain;
      return WaitForFutex(call, mask);
    case SYS_rt_sigtimedwait:
      return a[2] == 0 ? kAgain : WithTimespec(call, 2, mask);
    case SYS_semtimedop:
      return a[3] == 0 ? kAgain : WithTimespec(call, 3, mask);
    case SYS_io_getevents:
#ifdef SYS_io_pgetevents
    case SYS_io_pgetevents:
#endif
      return a[4] == 0 ? kAgain : WithTimespec(call, 4, mask);
#ifdef SYS_pause
    case SYS_pause:
#endif
    case SYS_rt_sigsuspend: {
      // In one step: otherwise a signal between release and wait would be missed, and the wait
      // would never end.
      const long own = call.number == SYS_rt_sigsuspend ? a[0] : Address(mask);
      return Repeat(SYS_rt_sigsuspend, [&](long* arguments) {
        arguments[0] = own;
        arguments[1] = kMaskSize;
      });
    }
    default:
      return kAgain;
  }
}

}  // namespace

void Complete(void* ucontext, const Call& call) {
  if (OwnSignalWaits(ucontext)) return;
  long done = ResultOf(ucontext);
  const long wanted = call.arguments[2];
  Unmasked(MaskOf(ucontext), [&] {
    while (done < wanted) {
      Call rest = call;
      rest.arguments[1] += done;
      rest.arguments[2] -= done;
      const long result = livefork_call(rest.number, rest.arguments);
      if (result != kCutByUs && result <= 0) break;
      if (result > 0) done += result;
    }
    return done;
  });
  SetResult(ucontext, done);
}

void Resume(void* ucontext, const Call& call, bool parked) {
  if (OwnSignalWaits(ucontext)) return;
  if (parked && RestIfMay(ucontext, Stop::kCut, call)) return;
  const long result = GoOn(call, MaskOf(ucontext));
  if (result != kAgain) {
    SetResult(ucontext, result);
  } else if (CanBeMadeAgain(call)) {
    MakeAgain(ucontext, call);
  }
}

// Until the thread's next rt_sigreturn(2), restart_syscall(2) continues the call, with what is left
// of its time. A copy of the thread has no such call, and a second park ends it.
void ResumeWithoutFirst(void* ucontext) {
  Call call;
  StoppedAt(ucontext, call);
  const long command = call.arguments[1] & FUTEX_CMD_MASK;
  const bool waits = command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET;
  if (call.number != SYS_futex || !waits || OwnSignalWaits(ucontext)) return;
  const long result = Unmasked(MaskOf(ucontext), [] {
    constexpr long kNone[6] = {};
    return livefork_call(SYS_restart_syscall, kNone);
  });
  SetResult(ucontext, result == -ETIMEDOUT || result == -EAGAIN ? result : 0);
}

bool MarkCut(void* ucontext) {
  if (ProgramCounter(ucontext) != reinterpret_cast<uintptr_t>(livefork_call_made)) return false;
  Call call;
  if (StoppedAt(ucontext, call) != Stop::kCut) return false;
  SetResult(ucontext, kCutByUs);
  return true;
}

}  // namespace livefork
