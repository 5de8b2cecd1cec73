#include "fork/fork.h"

#include <linux/futex.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <atomic>
#include <initializer_list>

#include "fork/arena.h"
#include "fork/descriptors.h"
#include "fork/mappings.h"
#include "fork/park.h"
#include "fork/procfs.h"
#include "fork/ring_setup.h"
#include "fork/threads.h"

namespace livefork {
namespace {

Arena arena;

// One page that parent and child share until the child has come up.
class Report {
 public:
  ~Report() {
    if (page_ != nullptr) Sys(SYS_munmap, page_, sizeof(Page));
  }

  Failure Map() {
    long p = Sys(SYS_mmap, nullptr, sizeof(Page), PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p < 0 && p > -4096) return Check(p, "mmap");
    page_ = reinterpret_cast<Page*>(p);
    return {};
  }

  // In the child; the strings are constants, at the same address in both processes.
  void Send(Failure failure) {
    page_->failure = failure;
    page_->sent.store(1, std::memory_order_release);
    Sys(SYS_futex, &page_->sent, FUTEX_WAKE, 1);
  }

  // In the parent. A child that dies without a word was killed by somebody else.
  Failure Receive(int pid, uint64_t deadline) {
    while (page_->sent.load(std::memory_order_acquire) == 0) {
      timespec pause{0, 5000000};
      if (Sys(SYS_futex, &page_->sent, FUTEX_WAIT, 0, &pause) != -ETIMEDOUT) continue;
      siginfo_t info{};
      long r = Sys(SYS_waitid, P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT, nullptr);
      if (page_->sent.load(std::memory_order_acquire) != 0) break;
      if (r == -ECHILD || info.si_pid == pid) {
        return {EAGAIN, "fork", "the child was killed before it had come up"};
      }
      if (MonotonicNs() > deadline) return {EAGAIN, "fork", "the child did not come up in time"};
    }
    return page_->failure;
  }

 private:
  struct Page {
    std::atomic<uint32_t> sent;
    Failure failure;
  };
  Page* page_ = nullptr;
};

// opened: what ProcFiles::Open said. /proc may be mounted for another PID namespace; then its
// thread ids are not ours.
const char* ProcObstacle(long opened) {
  if (opened < 0) return "/proc is not readable";
  char link[32] = {};
  const long r = Sys(SYS_readlinkat, AT_FDCWD, "/proc/self", link, sizeof link - 1);
  // ENOENT: a process that is not in that namespace has no number there.
  if (r < 0 && r != -ENOENT) return "readlinkat(2) is not permitted";
  const char* at = link;
  const bool ours = Number(at, 10) == static_cast<uint64_t>(Sys(SYS_getpid));
  return ours ? nullptr : "/proc belongs to another PID namespace";
}

// Signal 0 is checked and not sent: does a seccomp filter let the call through?
const char* SignalObstacle() {
  siginfo_t info{};
  info.si_code = SI_QUEUE;
  long r = Sys(SYS_rt_tgsigqueueinfo, Sys(SYS_getpid), Sys(SYS_gettid), 0, &info);
  return r == 0 ? nullptr : "rt_tgsigqueueinfo(2) is not permitted";
}

// One fork: what its steps share.
class LiveFork {
 public:
  explicit LiveFork(const ForkRequest& request) : request_(request) {}

  ForkResult Run() {
    if (Failure failure = Prepare()) return {-1, failure};
    SignalsBlocked blocked;
    deadline_ = MonotonicNs() + request_.timeout;
    Failure failure = ParkThreads(files_.task.get(), arena, deadline_, park_);
    if (failure) {
      arena.Clear();
      return {-1, failure};
    }
    DescribeSelf(self_);
    long pid = -1;
    failure = Freeze();
    if (!failure) {
      pid = CloneProcess(SIGCHLD);
      if (pid == 0) ComeUp();
      failure = Check(pid, "clone");
    }
    RestoreMappings(mappings_);
    ReleaseThreads();
    if (pid == 0) TellWatchers(snapshot_.inotify);
    arena.Clear();
    if (failure) return {-1, failure};
    return pid == 0 ? ForkResult{0, {}} : Attend(static_cast<int>(pid));
  }

 private:
  // What can fail for want of memory or descriptors, while failing is still free.
  Failure Prepare() {
    ProbeRings();
    const char* syscall = nullptr;
    const long r = files_.Open(syscall);
    if (r == -EMFILE || r == -ENFILE || r == -ENOMEM) return Check(r, syscall);
    for (const char* obstacle : {ThreadObstacle(), SignalObstacle(), ProcObstacle(r)}) {
      if (obstacle != nullptr) return {ENOTSUP, "fork", obstacle};
    }
    if (long p = PrepareSnapshot(snapshot_, syscall); p < 0) return Check(p, syscall);
    if (Failure failure = report_.Map()) return failure;
    return arena.Reserve() ? Failure{} : kArenaFull;
  }

  // In the parent, all threads parked: everything that the child must know.
  Failure Freeze() {
    if (Failure failure = CheckRecords(park_)) return failure;
    // Locks that store their owner's thread id (glibc's rwlocks for writing, recursive mutexes)
    // break when the id changes while they are held. When all threads wait nobody holds one;
    // otherwise the child keeps the old ids in libc's records until its threads wait.
    rename_ = park_.AllWaiting();
    if (rename_) AdoptIds(park_);
    if (!ReserveStacks(park_, arena, stacks_)) return kArenaFull;
    if (Failure failure = ShareMappings(files_.maps.get(), arena, mappings_)) return failure;
    return TakeSnapshot(files_, park_, request_.loop, false, deadline_, mappings_, arena,
                        snapshot_);
  }

  // In the child: on return everything is as it was in the parent, all threads still parked.
  void ComeUp() {
    files_.Close();
    // The threads first: they find their way on other processors while this one makes the twins.
    // Then nothing can fail any more, and the parent need not wait for the last of them.
    Failure failure = RebuildThreads(park_, self_, stacks_, rename_);
    if (!failure) failure = MakeTwins(snapshot_);
    report_.Send(failure);
    if (failure) Sys(SYS_exit_group, 1);
    AwaitThreads(park_);
  }

  ForkResult Attend(int pid) {
    Failure failure = report_.Receive(pid, MonotonicNs() + kComeUp);
    if (!failure) return {pid, {}};
    // Its exit status is nobody's business: to the caller no child was made.
    Sys(SYS_kill, pid, SIGKILL);
    while (Sys(SYS_wait4, pid, nullptr, 0, nullptr) == -EINTR) {
    }
    return {-1, failure};
  }

  // A child needs about a millisecond; a machine may be very busy.
  static constexpr uint64_t kComeUp = 20000000000;

  const ForkRequest& request_;
  ProcFiles files_;
  uint64_t deadline_ = 0;
  Report report_;
  Park park_;
  Thread self_{};
  char* stacks_ = nullptr;
  bool rename_ = true;
  Mappings mappings_;
  Snapshot snapshot_;
};

void Sleep(uint64_t ns) {
  timespec pause{0, static_cast<long>(ns)};
  Sys(SYS_nanosleep, &pause, nullptr);
}

bool AllWaitNow(int task) {
  SignalsBlocked blocked;
  Park park;
  bool waiting = false;
  constexpr uint64_t kStop = 1000000000;
  if (!ParkThreads(task, arena, MonotonicNs() + kStop, park)) {
    waiting = park.AllWaiting();
    if (waiting) AdoptIds(park);
    ReleaseThreads();
  }
  arena.Clear();
  return waiting;
}

}  // namespace

ForkResult Fork(const ForkRequest& request) {
  const uint64_t deadline = MonotonicNs() + request.timeout;
  for (;;) {
    ForkResult result = LiveFork(request).Run();
    if (!result.failure.passing || MonotonicNs() > deadline) return result;
    Sleep(200000);
  }
}

bool AwaitQuiescence(uint64_t patience) {
  const uint64_t deadline = MonotonicNs() + patience;
  Fd task(Open("/proc/self/task"));
  if (task.get() < 0 || !arena.Reserve()) return false;
  for (uint64_t pause = 100000; !AllWaitNow(task.get()); pause += pause < 10000000 ? pause : 0) {
    if (MonotonicNs() >= deadline) return false;
    Sleep(pause);
  }
  return true;
}

size_t Obstacles(const char** reasons, size_t room) {
  ProbeRings();
  ProcFiles files;
  const char* syscall = nullptr;
  const long opened = files.Open(syscall);
  // A full descriptor table is no obstacle of this kind: fork() says it by its own name.
  const bool full = opened == -EMFILE || opened == -ENFILE;
  const char* proc = full ? nullptr : ProcObstacle(opened);
  const char* ring = opened < 0 ? nullptr : AnyRingObstacle(files);
  size_t n = 0;
  for (const char* reason : {ThreadObstacle(), SignalObstacle(), proc, ring}) {
    if (reason != nullptr && n < room) reasons[n++] = reason;
  }
  return n;
}

}  // namespace livefork
