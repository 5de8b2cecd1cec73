#include "fork/rendezvous.h"

#include <linux/futex.h>
#include <signal.h>
#include <time.h>

#include "arch.h"
#include "libc.h"

namespace livefork {
namespace {

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
  // Atomic, as a stray signal of a park that was given up reads them while the next one is opened.
  std::atomic<Thread*> threads{nullptr};
  std::atomic<int> pid{0};
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
  // libc's handler takes siginfo; a plain one ignores the further arguments.
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
  Thread& thread = rendezvous.threads.load()[ticket & UINT32_MAX];
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
  // Known before ours is there: libc's signal may come at once, and must be passed on.
  long r = Sys(SYS_rt_sigaction, kParkingSignal, nullptr, &rendezvous.previous, sizeof(uint64_t));
  if (r == 0) r = Sys(SYS_rt_sigaction, kParkingSignal, &action, nullptr, sizeof(uint64_t));
  rendezvous.installed = r == 0;
  return Check(r, "rt_sigaction");
}

void RestoreHandler() {
  // A parking signal that is still queued for a thread would meet the default action, which ends
  // the process; our handler lets it pass.
  if (rendezvous.stray || !rendezvous.installed) return;
  Sys(SYS_rt_sigaction, kParkingSignal, &rendezvous.previous, nullptr, sizeof(uint64_t));
  rendezvous.installed = false;
}

}  // namespace

Failure OpenRendezvous(Thread* threads, uint32_t& generation) {
  rendezvous.threads = threads;
  rendezvous.pid = static_cast<int>(Sys(SYS_getpid));
  rendezvous.arrived.store(0, std::memory_order_release);
  generation = rendezvous.generation.load(std::memory_order_relaxed);
  return InstallHandler();
}

long SendThere(int tid, size_t index) {
  const int pid = rendezvous.pid;
  siginfo_t info{};
  info.si_signo = kParkingSignal;
  info.si_code = SI_QUEUE;
  info.si_pid = pid;
  info.si_value.sival_ptr = Ticket(rendezvous.generation.load(std::memory_order_relaxed), index);
  return Sys(SYS_rt_tgsigqueueinfo, pid, tid, kParkingSignal, &info);
}

uint32_t Arrivals() {
  return rendezvous.arrived.load(std::memory_order_acquire);
}

bool AwaitArrival(uint32_t seen, uint64_t ns) {
  return FutexWait(rendezvous.arrived, seen, ns) != -ETIMEDOUT;
}

void LeaveHandler() {
  rendezvous.stray = true;
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

}  // namespace livefork
