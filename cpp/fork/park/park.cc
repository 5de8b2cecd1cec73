#include "fork/park/park.h"

#include <signal.h>
#include <time.h>

#include <cstring>

#include "fork/base/procfs.h"
#include "fork/base/statx.h"
#include "fork/park/ids.h"
#include "fork/park/parked.h"
#include "fork/park/rest.h"
#include "fork/park/seen.h"
#include "fork/state.h"
#include "libc.h"

namespace livefork {
namespace {

// Kernel threads of io_uring or vhost are listed with the process. They receive no signals, have no
// user state and are not copied by a fork (PF_IO_WORKER, PF_USER_WORKER in include/linux/sched.h).
bool IsKernelWorker(int task, int tid) {
  char text[512];
  if (ReadTask(task, tid, "stat", text, sizeof text) <= 0) return false;
  const char* at = strrchr(text, ')');  // the name may contain spaces; flags is the 9th field
  if (at == nullptr) return false;
  at += 2;
  for (int field = 3; field < 9 && *at != '\0'; ++at) field += *at == ' ';
  constexpr uint64_t kIoWorker = 0x10, kUserWorker = 0x4000;
  return (Number(at, 10) & (kIoWorker | kUserWorker)) != 0;
}

// Without /proc: tests every possible id (PID_MAX_LIMIT) for a thread of this process, which takes
// some tenths of a second.
template <typename F>
void EachOfThisProcess(F f) {
  constexpr int kMost = 1 << 22;
  const long pid = Sys(SYS_getpid);
  for (int tid = 1; tid <= kMost; ++tid) {
    if (Sys(SYS_tgkill, pid, tid, 0) == 0 && !f(tid)) return;
  }
}

// The park in progress.
class Parking {
 public:
  Parking(int task, Park& park, uint32_t generation, uint64_t deadline)
      : task_(task),
        park_(park),
        deadline_(deadline),
        generation_(generation),
        self_(static_cast<int>(Sys(SYS_gettid))),
        runners_(deadline) {}

  // Threads start and end, so this repeats until a pass over the list finds no new one.
  Failure Run() {
    for (;;) {
      size_t before = park_.count;
      if (before > 0 && AllAreParked()) return {};
      if (Failure failure = SignalNewThreads()) return failure;
      if (park_.count == before) return {};
      if (Failure failure = AwaitAll()) return failure;
    }
  }

  // Abandons the threads that have not arrived, so that a late one continues; returns whether there
  // was any. It waits for a thread that is just arriving, which takes microseconds.
  bool Abandon() {
    bool any = false;
    for (size_t i = 0; i < park_.count; ++i) {
      any |= park_.threads[i].Move(generation_, Thread::kSignalled, Thread::kGone);
    }
    while (AnyUnparked()) Sys(SYS_sched_yield);
    return any;
  }

 private:
  bool AnyUnparked() const {
    for (size_t i = 0; i < park_.count; ++i) {
      uint32_t state = park_.threads[i].state();
      if (state == Thread::kSignalled || state == Thread::kArriving) return true;
    }
    return false;
  }

  // Without reading the list again: the link count of a directory of threads is their number plus
  // two (proc_task_getattr() in fs/proc/base.c). Parked threads neither end nor start others, so an
  // equal number means the same threads. (A kernel worker may end and a new thread be counted
  // instead.)
  bool AllAreParked() const {
    if (task_ < 0 || ignored_ > 0) return false;
    size_t parked = 0;
    park_.Each([&](const Thread&) { ++parked; });
    Statx st{};
    return Ask(task_, kLinks, st) == 0 && st.links == parked + 3;
  }

  // Threads that run are passed over as long as Runners has it.
  Failure SignalNewThreads() {
    constexpr long kLongest = 1000000;
    for (long pause = 50000;; pause += pause < kLongest ? pause : 0) {
      bool passed_over = false;
      if (Failure failure = SignalThose(passed_over)) return failure;
      if (!passed_over) return {};
      timespec moment{0, pause};
      Sys(SYS_nanosleep, &moment, nullptr);
    }
  }

  Failure SignalThose(bool& passed_over) {
    Failure failure;
    auto signal = [&](int tid) {
      if (tid == self_ || park_.Has(tid) || IsIgnored(tid)) return true;
      Seen seen;
      See(task_, tid, seen);
      if (kFirstArgumentLost && seen.runs && runners_.LookAgain(tid)) {
        passed_over = true;
      } else {
        failure = SignalOne(tid, seen);
      }
      return !failure;
    };
    long r = 0;
    if (task_ >= 0) {
      r = EachNumber(task_, signal);
    } else if (kMissesKept) {
      for (size_t i = 0; i < state.kept.count && !failure; ++i)
        signal(state.kept.entries[i].thread);
    } else {
      EachOfThisProcess(signal);
    }
    return failure ? failure : Check(r, "getdents64");
  }

  Failure SignalOne(int tid, const Seen& seen) {
    if (park_.count == Park::kMaxThreads) {
      return {EAGAIN, "fork", "the process has more threads than fork() can carry"};
    }
    Thread& thread = park_.threads[park_.count];
    thread.first = seen.call.arguments[0];
    thread.Begin(generation_, tid);
    for (;;) {
      long r = Send(tid, Purpose::kPark, park_.count, seen);
      if (r == -ESRCH) return {};  // it has ended since it was listed
      if (r == 0) {
        ++park_.count;
        return {};
      }
      // EAGAIN: RLIMIT_SIGPENDING is temporarily exhausted.
      if (r != -EAGAIN || MonotonicNs() > deadline_) return Check(r, "rt_tgsigqueueinfo");
      timespec pause{0, 100000};
      Sys(SYS_nanosleep, &pause, nullptr);
    }
  }

  Failure AwaitAll() {
    for (;;) {
      WantArrivals(Signalled());
      const uint32_t arrived = Arrivals();
      if (!AnyUnparked()) return {};
      if (AwaitArrivals(arrived, 1000000)) continue;
      DropTheGone();
      if (AnyUnparked() && MonotonicNs() > deadline_) {
        return {EAGAIN, "fork", "a thread could not be parked"};
      }
    }
  }

  // Those that arrive: threads at rest are there.
  uint32_t Signalled() const {
    uint32_t n = 0;
    for (size_t i = 0; i < park_.count; ++i) {
      const Thread& thread = park_.threads[i];
      n += thread.state() != Thread::kGone && thread.resting == nullptr;
    }
    return n;
  }

  // A thread that ends blocks all signals first, and then disappears.
  void DropTheGone() {
    for (size_t i = 0; i < park_.count; ++i) {
      Thread& thread = park_.threads[i];
      if (thread.state() != Thread::kSignalled) continue;
      bool gone = Sys(SYS_tgkill, Sys(SYS_getpid), thread.tid, 0) == -ESRCH;
      bool worker = !gone && ignored_ < kMaxIgnored && IsKernelWorker(task_, thread.tid);
      if (worker) ignored_tids_[ignored_++] = thread.tid;
      if (gone || worker) thread.Move(generation_, Thread::kSignalled, Thread::kGone);
    }
  }

  bool IsIgnored(int tid) const {
    for (size_t i = 0; i < ignored_; ++i) {
      if (ignored_tids_[i] == tid) return true;
    }
    return false;
  }

  static constexpr size_t kMaxIgnored = 256;
  int task_;
  Park& park_;
  uint64_t deadline_;
  uint32_t generation_;
  int self_;
  size_t ignored_ = 0;
  int ignored_tids_[kMaxIgnored];
  Runners runners_;
};

}  // namespace

uint64_t MonotonicNs() {
  timespec now{};
  Sys(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000 + static_cast<uint64_t>(now.tv_nsec);
}

SignalsBlocked::SignalsBlocked() : old_(0) {
  uint64_t all = ~uint64_t{0};
  Sys(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old_, sizeof all);
}

void SignalsBlocked::Restore() {
  if (!kept_) Sys(SYS_rt_sigprocmask, SIG_SETMASK, &old_, nullptr, sizeof old_);
  kept_ = true;
}

SignalsBlocked::~SignalsBlocked() {
  Restore();
}

Failure ParkThreads(int task, Arena& arena, uint64_t deadline, Park& park) {
  park.threads = arena.Take<Thread>(Park::kMaxThreads);
  park.count = 0;
  if (park.threads == nullptr) return kArenaFull;
  uint32_t generation = 0;
  if (Failure failure = OpenRendezvous(park.threads, generation)) return failure;
  MeasureTime();
  if (!park.awake && task >= 0) HoldResting(task, generation, park);
  Parking parking(task, park, generation, deadline);
  Failure failure = parking.Run();
  if (failure) {
    if (parking.Abandon()) LeaveHandler();
    ReleaseThreads();
  }
  return failure;
}

long AskToTakeId(int task, int tid, uintptr_t pointer) {
  if (Failure failure = InstallHandler()) return -failure.error;
  Seen seen;
  // A busy thread need not be interrupted. A running one neither: the signal might end a call that
  // began since and whose number is unknown.
  const bool told = See(task, tid, seen);
  if (told && seen.call.number < 0) return -EAGAIN;
  if (told) {
    const SeenFrames frames(seen.stack, pointer);
    const Position position{seen.place, frames.get()};
    const bool may =
        MayTakeId(Stop::kBefore, seen.call, position) || RestsAt(tid, seen.place, seen.stack);
    if (frames.known() && !may) return -EAGAIN;
  }
  LeaveHandler();
  return Send(tid, Purpose::kTakeId, 0, seen);
}

void WaitForArrivals(size_t n) {
  WantArrivals(static_cast<uint32_t>(n));
  for (uint32_t arrived; (arrived = Arrivals()) < n;) AwaitArrivals(arrived, 10000000);
}

}  // namespace livefork
