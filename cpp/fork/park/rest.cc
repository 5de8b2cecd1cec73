#include "fork/park/rest.h"

#include <linux/futex.h>
#include <signal.h>

#include <cstring>

#include "fork/base/futex.h"
#include "fork/base/procfs.h"
#include "fork/park/bottom.h"
#include "fork/park/ids.h"
#include "fork/park/parked.h"
#include "fork/park/resume.h"
#include "fork/park/seen.h"
#include "fork/state.h"
#include "libc.h"

namespace livefork {
namespace {

// musl: the waits of Node's threads are not recognized (bottom.h).
constexpr bool kMayRest = !kListsHeld;

bool Change(Resting& resting, Resting::Gate from, Resting::Gate to) {
  uint32_t expected = from;
  return resting.gate.compare_exchange_strong(expected, to, std::memory_order_acq_rel);
}

template <typename F>
void EachEntry(F f) {
  const uint32_t count = state.rests.count.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < count; ++i) f(state.rests.entries[i]);
}

Resting* Take() {
  for (uint32_t i = 0; i < Rests::kMost; ++i) {
    Resting& resting = state.rests.entries[i];
    if (!Change(resting, Resting::kFree, Resting::kTaken)) continue;
    uint32_t count = state.rests.count.load(std::memory_order_relaxed);
    while (count <= i && !state.rests.count.compare_exchange_weak(count, i + 1)) {
    }
    return &resting;
  }
  return nullptr;
}

// While it is held, the thread goes no further: its memory is being copied.
void Leave(Resting& resting) {
  while (!Change(resting, Resting::kResting, Resting::kFree)) {
    Change(resting, Resting::kHeld, Resting::kWoken);
    FutexWait(resting.gate, Resting::kWoken, 0);
  }
}

// A function of its own, so that all of the thread's work at rest is below the frame whose state is
// saved: a copy of the thread begins there while the original is anywhere in here.
[[gnu::noinline]] long Wait(Resting& resting, const Call& call, const uint64_t* mask) {
  resting.gate.store(Resting::kResting, std::memory_order_release);
  const long result = Unmasked(mask, [&] {
    return Repeat(call.number, [&](long* a) { memcpy(a, call.arguments, sizeof call.arguments); });
  });
  Leave(resting);
  return result;
}

// Only waits of Node's own threads, which nobody cancels: glibc 2.41 and musl look for the place of
// a call to decide whether pthread_cancel(3) may end it. Without a time limit, which would count
// from now. Whoever waits at a futex looks at its word again after each wake-up, and an epoll has
// the same events for the next wait.
bool WaitsForWork(Stop stop, const Call& call) {
  constexpr long kLibuvs = 1024;  // the events for which a loop of libuv has room
  const long* a = call.arguments;
  switch (call.number) {
    case SYS_futex: {
      const long command = a[1] & FUTEX_CMD_MASK;
      return stop == Stop::kBefore && a[3] == 0 &&
             (command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET);
    }
#ifdef SYS_epoll_wait
    case SYS_epoll_wait:
#endif
    case SYS_epoll_pwait:
      return stop == Stop::kCut && a[2] == kLibuvs && static_cast<int>(a[3]) < 0;
    default:
      return false;
  }
}

// There may be no room for the handlers of other signals above this one. The kernel shows what
// sigaltstack(2) was given (SS_DISABLE), not whether the stack is in use.
bool OnAlternateStack(const stack_t& alternate) {
  const auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  return (alternate.ss_flags & SS_DISABLE) == 0 &&
         here - reinterpret_cast<uintptr_t>(alternate.ss_sp) < alternate.ss_size;
}

// Frees what the calling thread has left by longjmp(3): those frames are gone. True if it rests
// further up its stack, in a wait that the handler of another signal has interrupted.
bool RestsAlready() {
  const int tid = static_cast<int>(Sys(SYS_gettid));
  const auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  bool already = false;
  EachEntry([&](Resting& resting) {
    const bool used = resting.gate.load(std::memory_order_acquire) >= Resting::kResting;
    if (!used || resting.thread.tid != tid) return;
    if (StackPointer(resting.thread.context) > here ||
        !Change(resting, Resting::kResting, Resting::kFree)) {
      already = true;
    }
  });
  return already;
}

// Not after an errand: a Worker may ask for one, and with that Worker the addon may be unloaded.
bool MayRest(const ucontext_t* ucontext, Stop stop, const Call& call) {
  if (!state.rests.measured.load(std::memory_order_relaxed) || !WaitsForWork(stop, call))
    return false;
  if (state.rendezvous.errand.load(std::memory_order_acquire) != nullptr) return false;
  const Position position{ProgramCounter(ucontext),
                          Frames::Between(StackPointer(ucontext), ThreadPointer())};
  return MayTakeId(stop, call, position) && !OnAlternateStack(ucontext->uc_stack) &&
         !RestsAlready();
}

void Describe(const ucontext_t* ucontext, Stop stop, const Call& call, Resting& resting) {
  Thread& thread = resting.thread;
  memset(static_cast<void*>(&thread), 0, sizeof thread);
  DescribeSelf(thread);
  thread.tid = static_cast<int>(Sys(SYS_gettid));
  thread.first = call.arguments[0];
  thread.stop = stop;
  thread.place = ProgramCounter(ucontext);
  thread.stack = StackPointer(ucontext);
  thread.call = call;
  thread.signal_stack = ucontext->uc_stack;
  resting.used = 0;
}

// Whether a thread that was seen there is in Wait().
bool IsAt(const Resting& resting, uintptr_t place, uintptr_t stack) {
  constexpr uintptr_t kFrames = 1024;
  const auto made = reinterpret_cast<uintptr_t>(livefork_call_made);
  const uintptr_t frame = StackPointer(resting.thread.context);
  return place <= made && place >= made - kCallSize && stack < frame && stack > frame - kFrames;
}

// It may be in a signal handler, or have left by longjmp(3).
bool Waits(int task, const Resting& resting) {
  Seen seen;
  if (!See(task, resting.thread.tid, seen)) return false;
  const Call& call = resting.thread.call;
  return seen.call.number == call.number &&
         memcmp(seen.call.arguments, call.arguments, sizeof call.arguments) == 0 &&
         IsAt(resting, seen.place, seen.stack);
}

// A thread that has run since it was compared, or never was.
bool IsAsBefore(int task, const Resting& resting, uint64_t& own) {
  if (own == 0) own = HashStatus(task, static_cast<int>(Sys(SYS_gettid)));
  return Waits(task, resting) && own != 0 && HashStatus(task, resting.thread.tid) == own;
}

// What others may have changed meanwhile. False: it cannot be read.
bool Refresh(int task, Thread& thread) {
  char name[sizeof thread.name + 1] = {};
  const long size = ReadTask(task, thread.tid, "comm", name, sizeof name);
  if (size <= 0) return false;
  name[size - 1] = '\0';
  memcpy(thread.name, name, sizeof thread.name);
  thread.affinity_size =
      Sys(SYS_sched_getaffinity, thread.tid, sizeof thread.affinity, thread.affinity);
  return thread.affinity_size > 0 && Sys(SYS_sched_getattr, thread.tid, thread.sched, 48, 0) == 0;
}

void Release(Resting& resting) {
  if (Change(resting, Resting::kHeld, Resting::kResting)) return;
  if (Change(resting, Resting::kWoken, Resting::kResting)) FutexWake(resting.gate);
}

// Its thread has ended without leaving, in a signal handler.
void DropIfGone(Resting& resting) {
  if (Sys(SYS_tgkill, Sys(SYS_getpid), resting.thread.tid, 0) != -ESRCH) return;
  Change(resting, Resting::kResting, Resting::kFree);
}

}  // namespace

bool RestIfMay(void* context, Stop stop, const Call& call) {
  auto* ucontext = static_cast<ucontext_t*>(context);
  Resting* const resting = MayRest(ucontext, stop, call) ? Take() : nullptr;
  if (resting == nullptr) return false;
  Describe(ucontext, stop, call, *resting);
  // In the child this returns a second time, in a rebuilt thread. The call is made again there: a
  // waiting thread that was woken just before the fork finds the word changed.
  if (livefork_save_context(&resting->thread.context) != 0) {
    Arrive(state.rendezvous.generation.load(std::memory_order_acquire));
  }
  const long result =
      Wait(*resting, call, reinterpret_cast<const uint64_t*>(&ucontext->uc_sigmask));
  EndCall(ucontext, stop, result);
  return true;
}

// A scheduler without a fine clock counts in ticks (sched_clock() of arch/x86/kernel/tsc.c without
// a TSC). A call takes longer than a fine clock's unit.
void MeasureTime() {
  if (!kMayRest || state.rests.measured.load(std::memory_order_relaxed)) return;
  const int self = static_cast<int>(Sys(SYS_gettid));
  const uint64_t before = ProcessorTime(self), after = ProcessorTime(self);
  state.rests.measured.store(before != 0 && after > before, std::memory_order_relaxed);
}

void HoldResting(int task, uint32_t generation, Park& park) {
  uint64_t own = 0;
  EachEntry([&](Resting& resting) {
    if (park.count == Park::kMaxThreads || !Change(resting, Resting::kResting, Resting::kHeld))
      return;
    Thread& thread = park.threads[park.count];
    const uint64_t used = ProcessorTime(resting.thread.tid);
    const bool compared = used != 0 && used == resting.used;
    const bool known = used != 0 && !park.Has(resting.thread.tid) && Refresh(task, resting.thread);
    if (!known || (!compared && !IsAsBefore(task, resting, own))) {
      Release(resting);
      DropIfGone(resting);
      return;
    }
    memcpy(static_cast<void*>(&thread), static_cast<void*>(&resting.thread), sizeof thread);
    thread.Take(generation);
    thread.resting = &resting;
    thread.used = used;
    thread.compared = compared;
    ++park.count;
  });
}

void RememberCompared(const Park& park, const Confinement& own, uint64_t shared) {
  state.rests.shared = shared;
  park.Each([&](const Thread& thread) {
    if (thread.resting == nullptr) return;
    thread.resting->thread.confinement = own;
    thread.resting->used = thread.used;
  });
}

bool RestUndisturbed(const Park& park) {
  bool undisturbed = true;
  park.Each([&](const Thread& thread) {
    if (thread.resting == nullptr) return;
    const bool held = thread.resting->gate.load(std::memory_order_acquire) == Resting::kHeld;
    if (!held || ProcessorTime(thread.tid) != thread.used) undisturbed = false;
  });
  return undisturbed;
}

// Only the forking thread holds, so what is held here is what it has held.
void ReleaseResting() {
  EachEntry(Release);
}

bool RestsAt(int tid, uintptr_t place, uintptr_t stack) {
  bool found = false;
  EachEntry([&](const Resting& resting) {
    found |= resting.gate.load(std::memory_order_acquire) >= Resting::kResting &&
             resting.thread.tid == tid && IsAt(resting, place, stack);
  });
  return found;
}

// A rebuilt thread begins its wait again, and says so. One that was parked by the signal is still
// in it.
void AdoptResting(const Park& park) {
  EachEntry([&](Resting& resting) {
    const uint32_t gate = resting.gate.load(std::memory_order_relaxed);
    if (gate < Resting::kResting) return;
    const int old_id = resting.thread.tid;
    uint32_t now = Resting::kFree;
    park.Each([&](const Thread& thread) {
      if (thread.tid != old_id) return;
      resting.thread.tid = thread.new_tid;
      now = thread.resting == &resting ? static_cast<uint32_t>(Resting::kTaken) : gate;
    });
    resting.used = 0;
    resting.gate.store(now, std::memory_order_release);
  });
}

}  // namespace livefork
