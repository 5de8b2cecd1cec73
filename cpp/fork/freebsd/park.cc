#include "fork/freebsd/park.h"

#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/types.h>
// In this order.
#include <sys/param.h>
#include <sys/sysctl.h>
#include <sys/thr.h>
#include <sys/umtx.h>
#include <sys/user.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "machine.h"

namespace livefork {
namespace {

// libthr's own signal, for cancellation and suspension. libthr never blocks it and gives it to no
// one else. Its handler does nothing without a request for the thread. So it can always be called
// after our handler, and a late signal does no harm.
constexpr int kSignal = SIGTHR;

struct Rendezvous {
  // A number, not a flag: a thread that has not left the last park yet must not mistake the next
  // fork's park for it.
  std::atomic<uint32_t> generation{1};
  std::atomic<uint32_t> arrived{0};
  std::atomic<Park*> park{nullptr};
  struct sigaction previous {};
};
Rendezvous rendezvous;

// Not libthr's sigaction(3), which refuses this number.
int SetAction(const struct sigaction* action, struct sigaction* old) {
  return static_cast<int>(syscall(SYS_sigaction, kSignal, action, old));
}

void Wait(std::atomic<uint32_t>& word, uint32_t value, uint64_t ns) {
  timespec timeout{static_cast<time_t>(ns / 1000000000), static_cast<long>(ns % 1000000000)};
  // The size of the timeout is passed instead of an address: _umtx_op(2).
  void* size = ns == 0 ? nullptr : reinterpret_cast<void*>(sizeof timeout);
  _umtx_op(&word, UMTX_OP_WAIT_UINT_PRIVATE, value, size, ns == 0 ? nullptr : &timeout);
}

void Wake(std::atomic<uint32_t>& word) {
  _umtx_op(&word, UMTX_OP_WAKE_PRIVATE, INT32_MAX, nullptr, nullptr);
}

// The calling thread's record, if it was signalled.
Thread* Expected() {
  const Park* park = rendezvous.park;
  if (park == nullptr) return nullptr;
  long self = 0;
  thr_self(&self);
  for (size_t i = 0; i < park->count; ++i) {
    Thread& thread = park->threads[i];
    uint32_t signalled = Thread::kSignalled;
    if (thread.id == self && thread.state.compare_exchange_strong(signalled, Thread::kArriving)) {
      return &thread;
    }
  }
  return nullptr;
}

void Stay(Thread& thread, const ucontext_t& context) {
  const uint32_t generation = rendezvous.generation;
  DescribeSelf(thread);
  thread.waiting = WhereStopped(context) == Stopped::kAtSyscall;
  // In the child this returns a second time, in a rebuilt thread on the same stack. The kernel
  // restores mask and registers from the frame below.
  if (_setjmp(thread.context) == 0) thread.state = Thread::kParked;
  rendezvous.arrived++;
  Wake(rendezvous.arrived);
  // From here on the record must not be touched: its memory ends with the fork.
  while (rendezvous.generation == generation) Wait(rendezvous.generation, generation, 0);
}

void OnSignal(int number, siginfo_t* info, void* context) {
  const int saved = errno;
  if (Thread* thread = Expected()) Stay(*thread, *static_cast<const ucontext_t*>(context));
  errno = saved;
  // libthr may have sent the signal too, and two pending ones are merged.
  if (auto* libthr = rendezvous.previous.sa_sigaction) libthr(number, info, context);
}

// The kernel's list of the process's threads; returns the number, or -errno.
long ListThreads(kinfo_proc* list) {
  int name[] = {CTL_KERN, KERN_PROC, KERN_PROC_PID | KERN_PROC_INC_THREAD, getpid()};
  size_t size = Park::kMaxThreads * sizeof(kinfo_proc);
  if (sysctl(name, 4, list, &size, nullptr, 0) != 0) return -errno;
  return static_cast<long>(size / sizeof(kinfo_proc));
}

// One attempt to park the threads.
class Parking {
 public:
  Parking(Park& park, kinfo_proc* list, uint64_t deadline)
      : park_(park), list_(list), deadline_(deadline) {
    thr_self(&self_);
  }

  // New threads may start while the list is read, so it is read until it has no new ones.
  Failure Run() {
    for (;;) {
      const long listed = ListThreads(list_);
      if (listed < 0) return {static_cast<int>(-listed), "sysctl"};
      size_t added = 0;
      for (long i = 0; i < listed; ++i) added += Send(list_[i]);
      if (added == 0) return {};
      if (park_.count == Park::kMaxThreads) return {ENOTSUP, "fork", "too many threads"};
      if (Failure failure = Gather()) return failure;
    }
  }

 private:
  size_t Send(const kinfo_proc& listed) {
    if (listed.ki_tid == self_ || park_.count == Park::kMaxThreads) return 0;
    for (size_t i = 0; i < park_.count; ++i) {
      const Thread& known = park_.threads[i];
      if (known.id == listed.ki_tid && known.state != Thread::kGone) return 0;
    }
    Thread& thread = park_.threads[park_.count];
    thread.id = listed.ki_tid;
    strlcpy(thread.name, listed.ki_tdname, sizeof thread.name);
    strlcat(thread.name, listed.ki_moretdname, sizeof thread.name);
    thread.state = Thread::kSignalled;
    park_.count++;
    if (thr_kill(thread.id, kSignal) != 0) thread.state = Thread::kGone;
    return 1;
  }

  Failure Gather() {
    for (;;) {
      const uint32_t seen = rendezvous.arrived;
      if (!Missing()) return {};
      if (MonotonicNs() > deadline_) return {EAGAIN, "fork", "a thread does not stop"};
      Wait(rendezvous.arrived, seen, 1000000);
    }
  }

  // A thread that has ended has no id any more; a thread that is on its way may need time.
  bool Missing() {
    bool missing = false;
    for (size_t i = 0; i < park_.count; ++i) {
      Thread& thread = park_.threads[i];
      uint32_t signalled = Thread::kSignalled;
      if (thread.state == Thread::kSignalled && thr_kill(thread.id, 0) != 0) {
        thread.state.compare_exchange_strong(signalled, Thread::kGone);
      }
      missing |= thread.state == Thread::kSignalled || thread.state == Thread::kArriving;
    }
    return missing;
  }

  Park& park_;
  kinfo_proc* list_;
  uint64_t deadline_;
  long self_ = 0;
};

// Afterwards no thread writes to its record: threads that have not arrived are no longer expected,
// and threads that are just arriving get time for their last instructions.
void Withdraw(Park& park) {
  for (size_t i = 0; i < park.count; ++i) {
    uint32_t signalled = Thread::kSignalled;
    park.threads[i].state.compare_exchange_strong(signalled, Thread::kGone);
    while (park.threads[i].state == Thread::kArriving) sched_yield();
  }
}

Failure TakeSignal() {
  struct sigaction action {};
  action.sa_sigaction = OnSignal;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  // Byte by byte: sigfillset(3) may omit libthr's signals.
  memset(&action.sa_mask, 0xff, sizeof action.sa_mask);
  if (SetAction(nullptr, &rendezvous.previous) != 0) return {errno, "sigaction"};
  if (SetAction(&action, nullptr) != 0) return {errno, "sigaction"};
  return {};
}

}  // namespace

const char* ParkObstacle() {
  struct sigaction action {};
  return SetAction(nullptr, &action) == 0 ? nullptr
                                          : "the kernel does not show which thread handles SIGTHR";
}

SignalsBlocked::SignalsBlocked() {
  sigset_t all;
  memset(&all, 0xff, sizeof all);
  syscall(SYS_sigprocmask, SIG_SETMASK, &all, &old_);
}

SignalsBlocked::~SignalsBlocked() {
  syscall(SYS_sigprocmask, SIG_SETMASK, &old_, nullptr);
}

Failure ParkThreads(Park& park, Region& region, uint64_t deadline) {
  park.threads = region.Take<Thread>(Park::kMaxThreads);
  auto* list = region.Take<kinfo_proc>(Park::kMaxThreads);
  if (park.threads == nullptr || list == nullptr) return {ENOMEM, "mmap"};
  park.count = 0;
  rendezvous.arrived = 0;
  rendezvous.park = &park;
  Failure failure = TakeSignal();
  if (!failure) failure = Parking(park, list, deadline).Run();
  // Each thread gets another id in the child. It may have its old id in a register, or be about to
  // write it into a mutex, unless it is at a system call that does not involve a mutex. Mutexes
  // that it holds get the new id (mutexes.h).
  if (!failure) {
    park.Each([&failure](const Thread& thread) {
      if (!thread.waiting) failure = {EAGAIN, "fork", "a thread is busy", true};
    });
  }
  if (failure) {
    Withdraw(park);
    ReleaseThreads();
  }
  return failure;
}

void ReleaseThreads() {
  rendezvous.park = nullptr;
  SetAction(&rendezvous.previous, nullptr);
  rendezvous.generation++;
  Wake(rendezvous.generation);
}

void ExpectArrivals() {
  rendezvous.arrived = 0;
}

bool AwaitArrivals(size_t count, uint64_t deadline) {
  for (;;) {
    const uint32_t arrived = rendezvous.arrived;
    if (arrived >= count) return true;
    if (MonotonicNs() > deadline) return false;
    Wait(rendezvous.arrived, arrived, 1000000);
  }
}

void DescribeSelf(Thread& thread) {
  thread.pointer = ThreadPointer();
  thread.record = reinterpret_cast<char*>(pthread_self());
  sigaltstack(nullptr, &thread.altstack);
}

uint64_t MonotonicNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace livefork
