// Live fork on FreeBSD. It works only if its assumptions about libthr and the kernel have been
// verified.
#include "fork/fork.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <initializer_list>

#include "fork/freebsd/mutexes.h"
#include "fork/freebsd/objects.h"
#include "fork/freebsd/park.h"
#include "fork/freebsd/region.h"
#include "fork/freebsd/threads.h"

namespace livefork {
namespace {

Region region;
Park park;

void Sleep(uint64_t ns) {
  const timespec pause{0, static_cast<long>(ns)};
  nanosleep(&pause, nullptr);
}

const char* FirstObstacle() {
  for (const char* (*obstacle)() : {ThreadObstacle, MutexObstacle, ParkObstacle, ObjectObstacle}) {
    if (const char* reason = obstacle()) return reason;
  }
  return nullptr;
}

// A page that parent and child share until the child runs.
class Report {
 public:
  ~Report() {
    if (page_ != nullptr) munmap(page_, sizeof(Page));
  }

  Failure Map() {
    void* page = mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANON, -1, 0);
    if (page == MAP_FAILED) return {errno, "mmap"};
    page_ = static_cast<Page*>(page);
    return {};
  }

  // In the child; the strings are constants, at the same address in both processes.
  void Send(const Failure& failure) {
    page_->failure = failure;
    page_->sent = true;
  }

  // In the parent. A child that ends without a report was killed by another process.
  Failure Receive(pid_t pid, uint64_t deadline) {
    while (!page_->sent) {
      siginfo_t info{};
      if (waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == pid) {
        if (page_->sent) break;
        return {EAGAIN, "fork", "the child was killed before it was running"};
      }
      if (MonotonicNs() > deadline) return {EAGAIN, "fork", "the child was not running in time"};
      Sleep(100000);
    }
    return page_->failure;
  }

 private:
  struct Page {
    std::atomic<bool> sent;
    Failure failure;
  };
  Page* page_ = nullptr;
};

// One fork: what its steps share.
class LiveFork {
 public:
  explicit LiveFork(const ForkRequest& request) : request_(request) {}

  ForkResult Run() {
    if (const char* obstacle = FirstObstacle()) return {-1, {ENOTSUP, "fork", obstacle}};
    if (!region.Reserve()) return {-1, {ENOMEM, "mmap"}};
    if (Failure failure = report_.Map()) return {-1, failure};
    SignalsBlocked blocked;
    if (Failure failure = ParkThreads(park, region, MonotonicNs() + request_.timeout)) {
      return {-1, failure};
    }
    DescribeSelf(self_);
    pid_t pid = -1;
    Failure failure = Freeze();
    if (!failure) {
      // Not libthr's fork(3): its atfork handlers, including libuv's, would undo what is rebuilt
      // here, and it would forget the other threads.
      pid = static_cast<pid_t>(syscall(SYS_fork));
      if (pid == 0) ComeUp();
      if (pid < 0) failure = {errno, "fork"};
    }
    ReleaseThreads();
    if (failure) return {-1, failure};
    return pid == 0 ? ForkResult{0, {}} : Attend(pid);
  }

 private:
  // In the parent, all threads parked: everything that the child must know.
  Failure Freeze() {
    if (!RecordsHold(park)) {
      return {ENOTSUP, "fork", "libthr keeps its thread ids at an unexpected place"};
    }
    stacks_ = ReserveStacks(park, region);
    if (stacks_ == nullptr) return {ENOMEM, "mmap"};
    return TakeSnapshot(region, objects_);
  }

  // In the child: on return everything is as it was in the parent, all threads still parked.
  void ComeUp() {
    Failure failure = MakeTwins(objects_);
    if (!failure) failure = RebuildThreads(park, self_, stacks_, MonotonicNs() + kComeUp);
    report_.Send(failure);
    if (failure) _exit(1);
  }

  ForkResult Attend(pid_t pid) {
    Failure failure = report_.Receive(pid, MonotonicNs() + 2 * kComeUp);
    if (!failure) return {pid, {}};
    // For the caller no child was made.
    kill(pid, SIGKILL);
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return {-1, failure};
  }

  static constexpr uint64_t kComeUp = 10000000000;

  const ForkRequest& request_;
  Report report_;
  Thread self_{};
  char* stacks_ = nullptr;
  Objects objects_{};
};

bool AllWaitNow() {
  constexpr uint64_t kStop = 1000000000;
  SignalsBlocked blocked;
  if (!region.Reserve() || ParkThreads(park, region, MonotonicNs() + kStop)) return false;
  ReleaseThreads();
  return true;
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
  if (FirstObstacle() != nullptr) return false;
  const uint64_t deadline = MonotonicNs() + patience;
  for (uint64_t pause = 100000; !AllWaitNow(); pause += pause < 10000000 ? pause : 0) {
    if (MonotonicNs() >= deadline) return false;
    Sleep(pause);
  }
  return true;
}

size_t Obstacles(const char** reasons, size_t room) {
  const char* reason = FirstObstacle();
  if (reason == nullptr || room == 0) return 0;
  reasons[0] = reason;
  return 1;
}

// A fork with a busy thread is refused, so no child keeps its parent's ids.
bool IdsAdopted() {
  return true;
}

// The launcher's threads continue, and daemon and launcher share everything, as after fork(2).
bool AdoptIds(uint64_t) {
  return true;
}

void BeginChange() {}

void EndChange() {}

void AdoptCallerId() {}

int FollowCaller(uint64_t) {
  return 0;
}

int ForbidNewPrivileges(uint64_t) {
  return -ENOSYS;
}

void ReleaseHeld() {}

}  // namespace livefork
