#include "fork/park.h"

#include <linux/futex.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

#include <cstring>

#include "fork/procfs.h"

namespace livefork {
namespace {

// glibc's setxid signal. Every thread leaves 32 and 33 unblocked, also those that block "all"
// signals through libc (the inspector's signal thread, the thread pool), and nothing else can
// claim it, because libc refuses the number to its callers.
constexpr int kSignal = 33;

// struct sigaction as rt_sigaction(2) takes it; libc's differs.
struct KernelAction {
  void* handler;
  unsigned long flags;
  void (*restorer)();
  uint64_t mask;
};

struct Rendezvous {
  // A number, not a flag: a thread that has not yet left the last park must not take the next
  // fork's park for its own.
  std::atomic<uint32_t> generation{1};
  std::atomic<uint32_t> arrived{0};
  Thread* threads = nullptr;
  int pid = 0;
  KernelAction previous{};
  bool installed = false;
  bool stray = false;  // an unhandled parking signal may still be on its way to some thread
};
Rendezvous rendezvous;

long FutexWait(std::atomic<uint32_t>& word, uint32_t value, uint64_t ns) {
  timespec timeout{static_cast<time_t>(ns / 1000000000), static_cast<long>(ns % 1000000000)};
  return Sys(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, ns == 0 ? nullptr : &timeout);
}

void FutexWake(std::atomic<uint32_t>& word) {
  Sys(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT32_MAX);
}

// The value that rt_tgsigqueueinfo carries to the handler: which park, and whose record. A stray
// signal of a park that was given up is thereby told from one of this park.
void* Ticket(uint32_t generation, size_t index) {
  return reinterpret_cast<void*>((uint64_t{generation} << 32) | index);
}

void Forward(int signal, siginfo_t* info, void* ucontext) {
  void* handler = rendezvous.previous.handler;
  if (handler == reinterpret_cast<void*>(SIG_DFL) || handler == reinterpret_cast<void*>(SIG_IGN)) {
    return;
  }
  // glibc's handler for 33 always takes siginfo; a plain one ignores the further arguments.
  reinterpret_cast<void (*)(int, siginfo_t*, void*)>(handler)(signal, info, ucontext);
}

void OnSignal(int signal, siginfo_t* info, void* ucontext) {
  if (info->si_code != SI_QUEUE || info->si_pid != rendezvous.pid) {
    Forward(signal, info, ucontext);
    return;
  }
  const uint32_t generation = rendezvous.generation.load(std::memory_order_acquire);
  const auto ticket = reinterpret_cast<uint64_t>(info->si_value.sival_ptr);
  if (ticket >> 32 != generation) return;
  Thread& thread = rendezvous.threads[ticket & UINT32_MAX];
  if (!thread.Move(generation, Thread::kSignalled, Thread::kArriving)) return;
  DescribeSelf(thread);
  thread.waiting = InterruptedInSyscall(ucontext);
  // In the child this returns a second time, in a rebuilt thread on the same stack. Signal frame,
  // mask, floating point state and alternate stack below are the kernel's to restore.
  if (livefork_save_context(&thread.context) == 0) {
    thread.Move(generation, Thread::kArriving, Thread::kParked);
  }
  rendezvous.arrived.fetch_add(1, std::memory_order_acq_rel);
  FutexWake(rendezvous.arrived);
  // From here on the record is not touched: it is another fork's before this thread wakes.
  while (rendezvous.generation.load(std::memory_order_acquire) == generation) {
    FutexWait(rendezvous.generation, generation, 0);
  }
}

Failure InstallHandler() {
  if (rendezvous.installed) return {};
  KernelAction action{};
  action.handler = reinterpret_cast<void*>(OnSignal);
  action.flags = SA_SIGINFO | SA_RESTART | kRestorerFlag;
  action.restorer = kRestorer;
  action.mask = ~uint64_t{0};
  long r = Sys(SYS_rt_sigaction, kSignal, &action, &rendezvous.previous, sizeof(uint64_t));
  rendezvous.installed = r == 0;
  return Check(r, "rt_sigaction");
}

void RestoreHandler() {
  // A parking signal that is still queued for a thread would meet the default action, which ends
  // the process; our handler lets it pass.
  if (rendezvous.stray || !rendezvous.installed) return;
  Sys(SYS_rt_sigaction, kSignal, &rendezvous.previous, nullptr, sizeof(uint64_t));
  rendezvous.installed = false;
}

long Signal(int tid, size_t index) {
  siginfo_t info{};
  info.si_signo = kSignal;
  info.si_code = SI_QUEUE;
  info.si_pid = rendezvous.pid;
  info.si_value.sival_ptr = Ticket(rendezvous.generation.load(std::memory_order_relaxed), index);
  return Sys(SYS_rt_tgsigqueueinfo, rendezvous.pid, tid, kSignal, &info);
}

// Kernel threads that io_uring or vhost run for the process are listed with it, take no signals,
// own no user state and do not outlive a fork (PF_IO_WORKER, PF_USER_WORKER in
// include/linux/sched.h).
bool IsKernelWorker(int task, int tid) {
  char path[32];
  Name name = Decimal(static_cast<unsigned>(tid));
  size_t n = strlen(name.text);
  memcpy(path, name.text, n);
  memcpy(path + n, "/stat", 6);
  Fd fd(Sys(SYS_openat, task, path, O_RDONLY | O_CLOEXEC, 0));
  char text[512];
  long size = fd.get() < 0 ? -1 : Sys(SYS_read, fd.get(), text, sizeof text - 1);
  if (size <= 0) return false;
  text[size] = '\0';
  const char* at = strrchr(text, ')');  // the name may hold spaces; flags is the 9th field
  if (at == nullptr) return false;
  at += 2;
  for (int field = 3; field < 9 && *at != '\0'; ++at) field += *at == ' ';
  constexpr uint64_t kIoWorker = 0x10, kUserWorker = 0x4000;
  return (Number(at, 10) & (kIoWorker | kUserWorker)) != 0;
}

// The park in progress.
class Parking {
 public:
  Parking(int task, Park& park, uint64_t deadline)
      : task_(task),
        park_(park),
        deadline_(deadline),
        generation_(rendezvous.generation.load(std::memory_order_relaxed)),
        self_(static_cast<int>(Sys(SYS_gettid))) {}

  // Threads come and go: done when a pass over the list meets nobody new.
  Failure Run() {
    for (;;) {
      size_t before = park_.count;
      if (Failure failure = SignalNewThreads()) return failure;
      if (park_.count == before) return {};
      if (Failure failure = AwaitAll()) return failure;
    }
  }

  // Gives up the threads that have not come, so that one that comes late passes on; tells whether
  // there was any. One that is already on its way in is waited for: it is a matter of microseconds.
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

  bool Known(int tid) const {
    for (size_t i = 0; i < park_.count; ++i) {
      if (park_.threads[i].tid == tid && park_.threads[i].state() != Thread::kGone) return true;
    }
    return false;
  }

  Failure SignalNewThreads() {
    Failure failure;
    long r = EachNumber(task_, [&](int tid) {
      if (tid == self_ || Known(tid) || IsIgnored(tid)) return true;
      failure = SignalOne(tid);
      return !failure;
    });
    return failure ? failure : Check(r, "getdents64");
  }

  Failure SignalOne(int tid) {
    if (park_.count == Park::kMaxThreads) {
      return {EAGAIN, "fork", "the process has more threads than fork() can carry"};
    }
    park_.threads[park_.count].Begin(generation_, tid);
    for (;;) {
      long r = Signal(tid, park_.count);
      if (r == -ESRCH) return {};  // it ended since it was listed
      if (r == 0) {
        ++park_.count;
        return {};
      }
      // EAGAIN: RLIMIT_SIGPENDING is used up for the moment.
      if (r != -EAGAIN || MonotonicNs() > deadline_) return Check(r, "rt_tgsigqueueinfo");
      timespec pause{0, 100000};
      Sys(SYS_nanosleep, &pause, nullptr);
    }
  }

  Failure AwaitAll() {
    for (;;) {
      uint32_t arrived = rendezvous.arrived.load(std::memory_order_acquire);
      if (!AnyUnparked()) return {};
      if (FutexWait(rendezvous.arrived, arrived, 1000000) != -ETIMEDOUT) continue;
      DropTheGone();
      if (AnyUnparked() && MonotonicNs() > deadline_) {
        return {EAGAIN, "fork", "a thread could not be parked"};
      }
    }
  }

  // A thread that ends blocks all signals on its way out and simply disappears.
  void DropTheGone() {
    for (size_t i = 0; i < park_.count; ++i) {
      Thread& thread = park_.threads[i];
      if (thread.state() != Thread::kSignalled) continue;
      bool gone = Sys(SYS_tgkill, rendezvous.pid, thread.tid, 0) == -ESRCH;
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
};

}  // namespace

uint64_t MonotonicNs() {
  timespec now{};
  Sys(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000 + static_cast<uint64_t>(now.tv_nsec);
}

bool Park::AllWaiting() const {
  bool all = true;
  Each([&](const Thread& thread) { all = all && thread.waiting; });
  return all;
}

SignalsBlocked::SignalsBlocked() : old_(0) {
  uint64_t all = ~uint64_t{0};
  Sys(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old_, sizeof all);
}

SignalsBlocked::~SignalsBlocked() {
  Sys(SYS_rt_sigprocmask, SIG_SETMASK, &old_, nullptr, sizeof old_);
}

void DescribeSelf(Thread& thread) {
  thread.pointer = ThreadPointer();
  Sys(SYS_prctl, PR_GET_TID_ADDRESS, &thread.clear_tid, 0, 0, 0);
  Sys(SYS_get_robust_list, 0, &thread.robust_list, &thread.robust_size);
  Sys(SYS_prctl, PR_GET_NAME, thread.name, 0, 0, 0);
  thread.affinity_size = Sys(SYS_sched_getaffinity, 0, sizeof thread.affinity, thread.affinity);
  Sys(SYS_sched_getattr, 0, thread.sched, 48, 0);
}

Failure ParkThreads(int task, Arena& arena, uint64_t deadline, Park& park) {
  park.threads = arena.Take<Thread>(Park::kMaxThreads);
  park.count = 0;
  if (park.threads == nullptr) return kArenaFull;
  rendezvous.threads = park.threads;
  rendezvous.pid = static_cast<int>(Sys(SYS_getpid));
  rendezvous.arrived.store(0, std::memory_order_release);
  if (Failure failure = InstallHandler()) return failure;
  Parking parking(task, park, deadline);
  Failure failure = parking.Run();
  if (failure) {
    rendezvous.stray = parking.Abandon() || rendezvous.stray;
    ReleaseThreads();
  }
  return failure;
}

void ReleaseThreads() {
  rendezvous.generation.fetch_add(1, std::memory_order_acq_rel);
  FutexWake(rendezvous.generation);
  RestoreHandler();
}

void ExpectArrivals() {
  rendezvous.arrived.store(0, std::memory_order_release);
  // Signals queued for the parent's threads did not come along.
  rendezvous.stray = false;
}

bool WaitForArrivals(size_t n, uint64_t deadline) {
  for (;;) {
    uint32_t arrived = rendezvous.arrived.load(std::memory_order_acquire);
    if (arrived >= n) return true;
    if (FutexWait(rendezvous.arrived, arrived, 10000000) == -ETIMEDOUT &&
        MonotonicNs() > deadline) {
      return false;
    }
  }
}

}  // namespace livefork
