#include "fork/fork.h"

#include <signal.h>
#include <sys/wait.h>

#include <initializer_list>

#include "fork/base/procfs.h"
#include "fork/freeze/descriptors.h"
#include "fork/freeze/file_requests.h"
#include "fork/freeze/mappings.h"
#include "fork/objects/ring_setup.h"
#include "fork/objects/severed.h"
#include "fork/obstacles.h"
#include "fork/park/confined.h"
#include "fork/rebuild/threads.h"
#include "fork/report.h"
#include "fork/state.h"

namespace livefork {

State state;

namespace {

// The common state of the steps of one fork.
class LiveFork {
 public:
  LiveFork(const ForkRequest& request, uint64_t deadline, bool awake)
      : request_(request), deadline_(deadline) {
    park_.awake = awake;
  }

  ForkResult Run() {
    if (Failure failure = Prepare()) return {-1, failure};
    SignalsBlocked blocked;
    Failure failure = ParkThreads(files_.task.get(), state.arena, ParkDeadline(), park_);
    if (failure) {
      state.arena.Clear();
      return {-1, failure};
    }
    DescribeSelf(self_);
    self_.tid = static_cast<int>(Sys(SYS_gettid));
    long pid = -1;
    failure = Freeze();
    if (!failure) {
      pid = CloneProcess(SIGCHLD);
      if (pid == 0) ComeUp();
      failure = Check(pid, "clone");
      if (pid > 0) report_.Admit(RestUndisturbed(park_));
    }
    if (pid > 0 && request_.move) return Hold(static_cast<int>(pid), blocked);
    RestoreMappings(mappings_);
    ReleaseThreads();
    // At once: until then other threads get the signals that were sent to the process.
    blocked.Restore();
    if (pid == 0) {
      AwaitEnds();
      TellWatchers(snapshot_.inotify);
    }
    state.arena.Clear();
    if (failure) return {-1, failure};
    return pid == 0 ? ForkResult{0, {}} : Attend(static_cast<int>(pid));
  }

 private:
  // While one thread does not stop, all others are blocked. So this gives up earlier than the wait
  // for a slow child.
  uint64_t ParkDeadline() const {
    constexpr uint64_t kLeast = 2000000000;
    const uint64_t share = request_.timeout / 5;
    const uint64_t end = MonotonicNs() + (share > kLeast ? share : kLeast);
    return end < deadline_ ? end : deadline_;
  }

  // Everything that can fail for lack of memory or descriptors, while a failure is still harmless.
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
    if (!state.arena.Reserve()) return kArenaFull;
    if (!request_.move) MarkQueue(request_.loop);
    return {};
  }

  // In the parent, all threads parked: records everything that the child needs.
  Failure Freeze() {
    if (Failure failure = CheckRecords(park_)) return failure;
    if (Failure failure = CheckConfinement(park_, self_, files_.task.get())) return failure;
    if (!ReserveStacks(park_, state.arena, stacks_)) return kArenaFull;
    Failure failure = ShareMappings(files_.maps.get(), state.arena, mappings_);
    if (failure) return failure;
    failure = TakeSnapshot(files_, park_, request_, deadline_, mappings_, state.arena, snapshot_);
    return !failure && !RestUndisturbed(park_) ? kDisturbed : failure;
  }

  // In the child: rebuilds the parent's state. On return all threads are still parked.
  void ComeUp() {
    files_.Close();
    // The threads first: they start on other processors while this one makes the twins. Then
    // nothing can fail any more, and the parent need not wait for the last of them.
    Failure failure = RebuildThreads(park_, self_, stacks_);
    if (!report_.AwaitAdmission(parent_, deadline_)) failure = kDisturbed;
    if (!failure) failure = MakeTwins(snapshot_);
    report_.Send(failure);
    if (failure) Sys(SYS_exit_group, 1);
    AwaitThreads(park_);
  }

  // Keeps the threads parked, at least until the child runs.
  ForkResult Hold(int pid, SignalsBlocked& blocked) {
    state.held = {true, blocked.Keep(), mappings_};
    const ForkResult result = Attend(pid);
    if (result.failure) ReleaseHeld();
    return result;
  }

  ForkResult Attend(int pid) {
    Failure failure = report_.Receive(pid, deadline_);
    if (!failure) return {pid, {}};
    // Reaps the child, because for the caller no child was made.
    Sys(SYS_kill, pid, SIGKILL);
    while (Sys(SYS_wait4, pid, nullptr, 0, nullptr) == -EINTR) {
    }
    return {-1, failure};
  }

  const ForkRequest& request_;
  const uint64_t deadline_;
  const long parent_ = Sys(SYS_getpid);
  ProcFiles files_;
  Report report_;
  Park park_;
  Thread self_{};
  char* stacks_ = nullptr;
  Mappings mappings_;
  Snapshot snapshot_;
};

}  // namespace

void ReleaseHeld() {
  if (!state.held.holding) return;
  state.held.holding = false;
  RestoreMappings(state.held.mappings);
  ReleaseThreads();
  state.arena.Clear();
  Exclusive::Leave();
  Sys(SYS_rt_sigprocmask, SIG_SETMASK, &state.held.mask, nullptr, sizeof state.held.mask);
}

ForkResult Fork(const ForkRequest& request) {
  const uint64_t deadline = MonotonicNs() + request.timeout;
  Exclusive entry;
  if (entry.refused()) return {-1, kEntered};
  // Threads at rest that are in the way twice get the signal. So do those of becomeDaemon()'s
  // launcher, which must not handle the script's signals while it waits.
  int in_the_way = request.move ? 2 : 0;
  for (;;) {
    ForkResult result = LiveFork(request, deadline, in_the_way >= 2).Run();
    in_the_way += result.failure.at_rest ? 1 : 0;
    if (result.pid > 0 && request.move) entry.Stay();
    if (!result.failure.passing || MonotonicNs() > deadline) return result;
    timespec pause{0, 200000};
    Sys(SYS_nanosleep, &pause, nullptr);
  }
}

}  // namespace livefork
