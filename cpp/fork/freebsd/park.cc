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

// libthr's own signal, for cancellation and suspension. Its calls never block it nor let anybody
// else have it, and its handler does nothing when nothing was asked of the thread: so that it can
// always be called after ours, and a signal that comes late does no harm.
constexpr int kSignal = SIGTHR;

struct Rendezvous {
  // A number, not a flag: a thread that has not yet left the last park must not take the next
  // fork's park for its own.
  std::atomic<uint32_t> generation{1};
  std::atomic<uint32_t> arrived{0};
  std::atomic<Park*> park{nullptr};
  struct sigaction previous {};
};
Rendezvous rendezvous;

// Not libthr's sigaction(3), which refuses the number.
int SetAction(const struct sigaction* action, struct sigaction* old) {
  return static_cast<int>(syscall(SYS_sigaction, kSignal, action, old));
}

void Wait(std::atomic<uint32_t>& word, uint32_t value, uint64_t ns) {
  timespec timeout{static_cast<time_t>(ns / 1000000000), static_cast<long>(ns % 1000000000)};
  // The size of the timeout goes in the place of an address: _umtx_op(2).
  void* size = ns == 0 ? nullptr : reinterpret_cast<void*>(sizeof timeout);
  _umtx_op(&word, UMTX_OP_WAIT_UINT_PRIVATE, value, size, ns == 0 ? nullptr : &timeout);
}

void Wake(std::atomic<uint32_t>& word) {
  _umtx_op(&word, UMTX_OP_WAKE_PRIVATE, INT32_MAX, nullptr, nullptr);
}

// The calling thread's record if it was sent for.
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
  // In the child this returns a second time, in a rebuilt thread on the same stack. What the frame
  // below keeps of the mask and the registers is the kernel's to restore.
  if (_setjmp(thread.context) == 0) thread.state = Thread::kParked;
  rendezvous.arrived++;
  Wake(rendezvous.arrived);
  // From here on the record is not touched: its memory goes with the fork.
  while (rendezvous.generation == generation) Wait(rendezvous.generation, generation, 0);
}

void OnSignal(int number, siginfo_t* info, void* context) {
  const int saved = errno;
  if (Thread* thread = Expected()) Stay(*thread, *static_cast<const ucontext_t*>(context));
  errno = saved;
  // libthr may have sent one of its own, and two of them pending are one.
  if (auto* libthr = rendezvous.previous.sa_sigaction) libthr(number, info, context);
}

// The kernel's list of the process's threads; how many, or -errno.
long ListThreads(kinfo_proc* list) {
  int name[] = {CTL_KERN, KERN_PROC, KERN_PROC_PID | KERN_PROC_INC_THREAD, getpid()};
  size_t size = Park::kMaxThreads * sizeof(kinfo_proc);
  if (sysctl(name, 4, list, &size, nullptr, 0) != 0) return -errno;
  return static_cast<long>(size / sizeof(kinfo_proc));
}

// One pass at parking.
class Parking {
 public:
  Parking(Park& park, kinfo_proc* list, uint64_t deadline)
      : park_(park), list_(list), deadline_(deadline) {
    thr_self(&self_);
  }

  // Threads come while the list is read: until nobody new is in it.
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

  // One that has ended has no id any more; one that is on its way may need its time.
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

// After it no thread writes to its record: those not yet come are not expected any more, those that
// are about to stay have their few instructions.
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
  // Byte by byte: sigfillset(3) may spare what is libthr's.
  memset(&action.sa_mask, 0xff, sizeof action.sa_mask);
  if (SetAction(nullptr, &rendezvous.previous) != 0) return {errno, "sigaction"};
  if (SetAction(&action, nullptr) != 0) return {errno, "sigaction"};
  return {};
}

}  // namespace

const char* ParkObstacle() {
  struct sigaction action {};
  return SetAction(nullptr, &action) == 0 ? nullptr : "the kernel does not show which thread handles SIGTHR";
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
  // Each gets another id in the child, and may have its old one in a register or be about to put it
  // into a mutex, unless it is at a system call that has nothing to do with one. Those that it
  // holds are given to it (mutexes.h).
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
