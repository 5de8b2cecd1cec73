#include "fork/park/parked.h"

#include <signal.h>
#include <sys/prctl.h>

#include "fork/base/futex.h"
#include "fork/park/calls.h"
#include "fork/park/ids.h"
#include "fork/park/rest.h"
#include "fork/park/resume.h"
#include "fork/state.h"
#include "libc.h"

namespace livefork {
namespace {

// The value that rt_tgsigqueueinfo passes to the handler: the park and the record. It distinguishes
// a stray signal of an abandoned park from one of this park.
void* Ticket(uint32_t generation, size_t index) {
  return reinterpret_cast<void*>((uint64_t{generation} << 32) | index);
}

constexpr unsigned kNumberBits = 16;

Purpose PurposeOf(const siginfo_t* info) {
  return static_cast<Purpose>(static_cast<uint32_t>(info->si_errno) >> kNumberBits);
}

// The record for a parking signal; nullptr if its park is over.
Thread* RecordOf(const siginfo_t* info, uint32_t generation) {
  const auto ticket = reinterpret_cast<uint64_t>(info->si_value.sival_ptr);
  return ticket >> 32 == generation ? &state.rendezvous.threads.load()[ticket & UINT32_MAX]
                                    : nullptr;
}

// If the register of the first argument contains the result, the argument was recorded before the
// signal was sent.
bool RecallFirst(const siginfo_t* info, Call& call) {
  if (PurposeOf(info) == Purpose::kTakeId) {
    call.arguments[0] = reinterpret_cast<long>(info->si_value.sival_ptr);
    return true;
  }
  const Thread* thread =
      RecordOf(info, state.rendezvous.generation.load(std::memory_order_acquire));
  if (thread != nullptr) call.arguments[0] = thread->first;
  return thread != nullptr;
}

// Whether the thread is where it was seen before the signal was sent; number: of that call.
bool IsAsSeen(const siginfo_t* info, const void* ucontext, Call call, long& number) {
  const uint32_t told = static_cast<uint32_t>(info->si_errno) & ((1u << kNumberBits) - 1);
  number = static_cast<long>(told) - 1;
  // glibc from 2.41 on, and musl, make all calls that can be cancelled in one place.
  const bool other = call.number >= 0 && call.number != number;
  call.number = number;
  return told != 0 && !other &&
         Hash(StackPointer(ucontext), ProgramCounter(ucontext), call) == info->si_uid;
}

// Completes the data of an interrupted call from the observation before the signal was sent.
void Recall(const siginfo_t* info, const void* ucontext, Call& call) {
  long number = -1;
  const bool same = IsAsSeen(info, ucontext, call, number);
  if (same && call.number < 0) call.number = number;
  if (!kFirstArgumentLost || (same && RecallFirst(info, call))) return;
  call.arguments[0] = 0;
  if (!IgnoresFirst(call)) call.number = -1;
}

// Whether the thread has just returned from a call that the signal has ended with a partial result.
// If the register of the first argument contains the result, the thread must have been seen in the
// call.
bool RecallPartial(const siginfo_t* info, const void* ucontext, Call& call) {
  Call from = call;
  long number = -1;
  from.number = CameFrom(ucontext);
  const bool same = IsAsSeen(info, ucontext, from, number);
  if (same) from.number = number;
  if (kFirstArgumentLost && !(same && RecallFirst(info, from))) return false;
  if (!IsPartial(from, ResultOf(ucontext))) return false;
  call = from;
  return true;
}

void Forward(int signal, siginfo_t* info, void* ucontext) {
  void* handler = state.rendezvous.previous.handler;
  if (handler == reinterpret_cast<void*>(SIG_DFL) || handler == reinterpret_cast<void*>(SIG_IGN)) {
    return;
  }
  // libc's handler takes siginfo; a plain handler ignores the further arguments.
  reinterpret_cast<void (*)(int, siginfo_t*, void*)>(handler)(signal, info, ucontext);
}

// Runs the function of the release before the thread continues its own work.
void RunErrand(Rendezvous& r) {
  const Errand errand = r.errand.load(std::memory_order_acquire);
  if (errand == nullptr) return;
  if (errand(r.argument) < 0) r.failed.fetch_add(1, std::memory_order_acq_rel);
  r.done.fetch_add(1, std::memory_order_acq_rel);
  FutexWake(r.done);
}

// Returns when the park is over; at once if the signal belongs to a finished park.
void StandParked(const siginfo_t* info, const ucontext_t* ucontext, Stop stop, const Call& call) {
  Rendezvous& r = state.rendezvous;
  const uint32_t generation = r.generation.load(std::memory_order_acquire);
  Thread* const record = RecordOf(info, generation);
  if (record == nullptr || !record->Move(generation, Thread::kSignalled, Thread::kArriving)) return;
  Thread& thread = *record;
  DescribeSelf(thread);
  thread.stop = stop;
  thread.place = ProgramCounter(ucontext);
  thread.stack = StackPointer(ucontext);
  thread.call = call;
  thread.made = HasMadeCall(ucontext, stop, call);
  thread.signal_stack = ucontext->uc_stack;
  // In the child this returns a second time, in a rebuilt thread on the same stack. The kernel
  // restores mask, floating point state and alternate stack from the signal frame below.
  if (livefork_save_context(&thread.context) == 0) {
    thread.Move(generation, Thread::kArriving, Thread::kParked);
  }
  // From here on the record must not be touched: it may belong to another fork before this thread
  // wakes.
  Arrive(generation);
  RunErrand(r);
}

void OnSignal(int signal, siginfo_t* info, void* ucontext) {
  if (info->si_code != SI_QUEUE || info->si_pid != state.rendezvous.pid) {
    Forward(signal, info, ucontext);
    return;
  }
  Call call;
  const Stop stop = StoppedAt(ucontext, call);
  if (stop == Stop::kCut) Recall(info, ucontext, call);
  const bool partial = stop == Stop::kRunning && RecallPartial(info, ucontext, call);
  const bool ours = MarkCut(ucontext);
  const bool park = PurposeOf(info) == Purpose::kPark;
  if (park) {
    StandParked(info, static_cast<const ucontext_t*>(ucontext), stop, call);
  } else if (RestsAt(static_cast<int>(Sys(SYS_gettid)), ProgramCounter(ucontext),
                     StackPointer(ucontext))) {
    TakeOwnId();
  } else {
    TakeOwnIdIfMay(
        stop, call,
        {ProgramCounter(ucontext), Frames::Between(StackPointer(ucontext), ThreadPointer()),
         HasMadeCall(ucontext, stop, call)});
  }
  if (partial) Complete(ucontext, call);
  if (park && stop == Stop::kBefore) RestIfMay(ucontext, stop, call);
  if (ours || stop != Stop::kCut) return;
  if (call.number >= 0) {
    Resume(ucontext, call, park);
  } else if (kFirstArgumentLost) {
    ResumeWithoutFirst(ucontext);
  }
}

// musl takes the signal over for each setuid(3) and similar call, and leaves it ignored.
bool IsInstalled() {
  KernelAction now{};
  return Sys(SYS_rt_sigaction, kParkingSignal, nullptr, &now, sizeof(uint64_t)) == 0 &&
         now.handler == reinterpret_cast<void*>(OnSignal);
}

void RestoreHandler() {
  Rendezvous& r = state.rendezvous;
  // A parking signal that is still queued for a thread would have the default action, which ends
  // the process. Our handler ignores it.
  if (r.stray || !r.installed) return;
  Sys(SYS_rt_sigaction, kParkingSignal, &r.previous, nullptr, sizeof(uint64_t));
  r.installed = false;
}

}  // namespace

void Arrive(uint32_t generation) {
  Rendezvous& r = state.rendezvous;
  // In this order, because the parking thread first sets the wanted number and then reads the
  // number of arrivals.
  const uint32_t arrived = r.arrived.fetch_add(1) + 1;
  if (arrived >= r.wanted.load()) FutexWake(r.arrived);
  while (r.generation.load(std::memory_order_acquire) == generation) {
    FutexWait(r.generation, generation, 0);
  }
}

// SA_ONSTACK, as libc uses for this signal: a thread with a small stack has an alternate one for
// signals.
Failure InstallHandler() {
  Rendezvous& r = state.rendezvous;
  r.pid = static_cast<int>(Sys(SYS_getpid));
  if (r.installed && IsInstalled()) return {};
  KernelAction action{};
  action.handler = reinterpret_cast<void*>(OnSignal);
  action.flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK | kRestorerFlag;
  action.restorer = kRestorer;
  action.mask = ~uint64_t{0};
  // Read before our handler is installed: libc's signal may come at once, and must be passed on.
  long result = Sys(SYS_rt_sigaction, kParkingSignal, nullptr, &r.previous, sizeof(uint64_t));
  if (result == 0) {
    result = Sys(SYS_rt_sigaction, kParkingSignal, &action, nullptr, sizeof(uint64_t));
  }
  r.installed = result == 0;
  return Check(result, "rt_sigaction");
}

Failure OpenRendezvous(Thread* threads, uint32_t& generation) {
  Rendezvous& r = state.rendezvous;
  // An unused record has generation 0.
  if (r.generation.load(std::memory_order_relaxed) == 0) r.generation.store(1);
  r.threads = threads;
  r.errand.store(nullptr, std::memory_order_release);
  r.arrived.store(0, std::memory_order_release);
  WantArrivals(UINT32_MAX);  // no wait before all signals are sent
  generation = r.generation.load(std::memory_order_relaxed);
  return InstallHandler();
}

// The sender of a queued signal to its own process may use si_errno and si_uid freely.
long Send(int tid, Purpose purpose, size_t index, const Seen& seen) {
  Rendezvous& r = state.rendezvous;
  siginfo_t info{};
  info.si_signo = kParkingSignal;
  info.si_code = SI_QUEUE;
  info.si_pid = r.pid;
  const long number = seen.call.number;
  const bool fits = number >= 0 && number + 1 < 1 << kNumberBits;
  info.si_errno = static_cast<int>(static_cast<uint32_t>(purpose) << kNumberBits) |
                  (fits ? static_cast<int>(number + 1) : 0);
  info.si_uid = Hash(seen.stack, seen.place, seen.call);
  info.si_value.sival_ptr = purpose == Purpose::kPark
                                ? Ticket(r.generation.load(std::memory_order_relaxed), index)
                                : reinterpret_cast<void*>(seen.call.arguments[0]);
  return Sys(SYS_rt_tgsigqueueinfo, r.pid.load(), tid, kParkingSignal, &info);
}

uint32_t Arrivals() {
  return state.rendezvous.arrived.load(std::memory_order_acquire);
}

void WantArrivals(uint32_t n) {
  state.rendezvous.wanted.store(n);
}

bool AwaitArrivals(uint32_t seen, uint64_t ns) {
  return FutexWait(state.rendezvous.arrived, seen, ns) != -ETIMEDOUT;
}

void LeaveHandler() {
  state.rendezvous.stray = true;
}

void ReleaseThreads() {
  state.rendezvous.generation.fetch_add(1, std::memory_order_acq_rel);
  FutexWake(state.rendezvous.generation);
  ReleaseResting();
  RestoreHandler();
}

size_t ReleaseOnErrand(const Park& park, Errand errand, const void* argument) {
  Rendezvous& r = state.rendezvous;
  uint32_t sent = 0;
  park.Each([&](const Thread&) { ++sent; });
  r.argument = argument;
  r.done.store(0, std::memory_order_relaxed);
  r.failed.store(0, std::memory_order_relaxed);
  r.errand.store(errand, std::memory_order_release);
  ReleaseThreads();
  for (uint32_t done; (done = r.done.load(std::memory_order_acquire)) < sent;) {
    FutexWait(r.done, done, 0);
  }
  return r.failed.load(std::memory_order_acquire);
}

void ExpectArrivals() {
  state.rendezvous.arrived.store(0, std::memory_order_release);
  WantArrivals(UINT32_MAX);
  // Signals that were queued for the parent's threads are not copied.
  state.rendezvous.stray = false;
}

void DescribeSelf(Thread& thread) {
  thread.pointer = ThreadPointer();
  ReadCpuSettings(thread.cpu);
  Sys(SYS_prctl, PR_GET_TID_ADDRESS, &thread.clear_tid, 0, 0, 0);
  Sys(SYS_get_robust_list, 0, &thread.robust_list, &thread.robust_size);
  Sys(SYS_prctl, PR_GET_NAME, thread.name, 0, 0, 0);
  thread.affinity_size = Sys(SYS_sched_getaffinity, 0, sizeof thread.affinity, thread.affinity);
  Sys(SYS_sched_getattr, 0, thread.sched, 48, 0);
  DescribeConfinement(thread.confinement);
}

}  // namespace livefork
