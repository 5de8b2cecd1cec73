#include "fork/park/ids.h"

#include <linux/futex.h>
#include <sys/epoll.h>

#include "fork/park/held.h"
#include "fork/state.h"
#include "libc.h"

namespace livefork {
namespace {

// A thread that waits with a time limit may pause while it holds a lock. A loop of libuv does not;
// it is recognized by its room for 1,024 events.
bool WaitsForWork(const Call& call, bool limited) {
  constexpr long kLibuvs = 1024;
  return !limited || call.arguments[2] == kLibuvs;
}

}  // namespace

void KeptIds::Add(uintptr_t pointer, int tid) {
  if (count == kMost) return;
  entries[count].pointer = pointer;
  entries[count].thread = tid;
  entries[count++].tid.store(tid, std::memory_order_release);
}

KeptIds::Entry* KeptIds::Find(uintptr_t pointer, int tid) {
  for (size_t i = 0; i < count; ++i) {
    if (entries[i].pointer == pointer && entries[i].tid.load(std::memory_order_acquire) == tid) {
      return &entries[i];
    }
  }
  return nullptr;
}

// musl's code around its calls: pthread_mutex_trylock.c has read the id before set_robust_list(2)
// and FUTEX_UNLOCK_PI, __tl_lock() and __lockfile() before FUTEX_WAIT, pthread_create.c before
// clone(2).
bool HasMadeCall(const void* ucontext, Stop stop, const Call& call) {
  if (!kListsHeld || stop != Stop::kRunning || !IsBehindCall(ucontext)) return false;
  const long number = CameFrom(ucontext);
  switch (number) {
    case SYS_futex:
      return (call.arguments[1] & FUTEX_CMD_MASK) == FUTEX_WAKE;
    case SYS_set_robust_list:
    case SYS_clone:
    case SYS_clone3:
      return false;
    default:
      return number >= 0;
  }
}

bool MayTakeId(Stop stop, const Call& call, const Position& position) {
  if (kListsHeld) {
    return stop != Stop::kRunning || position.made || !state.libc.code.Has(position.code);
  }
  if (stop == Stop::kRunning) return false;
  switch (call.number) {
#ifdef SYS_epoll_wait
    case SYS_epoll_wait:
#endif
    case SYS_epoll_pwait:
      return WaitsForWork(call, static_cast<int>(call.arguments[3]) >= 0);
#ifdef SYS_epoll_pwait2
    case SYS_epoll_pwait2:
      return WaitsForWork(call, call.arguments[3] != 0);
#endif
    case SYS_futex: {
      if (call.arguments[3] != 0) return false;
      const long command = call.arguments[1] & FUTEX_CMD_MASK;
      const bool lock = WaitsForLock(static_cast<uint32_t>(call.arguments[2]));
      if (command != FUTEX_WAIT_BITSET && (command != FUTEX_WAIT || lock)) return false;
      return WaitsAtBottom(position.frames);
    }
    default:
      return false;
  }
}

int& IdInRecord(uintptr_t pointer) {
  return *reinterpret_cast<int*>(pointer + static_cast<uintptr_t>(state.libc.tid_offset));
}

void WriteId(uintptr_t pointer, void* robust_list, int id) {
  int& record = IdInRecord(pointer);
  if (record == id) return;
  RenameHeld(pointer, robust_list, record, id);
  record = id;
}

void TakeOwnId() {
  const uintptr_t pointer = ThreadPointer();
  const int tid = static_cast<int>(Sys(SYS_gettid));
  KeptIds::Entry* entry = state.kept.Find(pointer, tid);
  if (entry == nullptr) return;
  void* robust_list = nullptr;
  size_t size = 0;
  Sys(SYS_get_robust_list, 0, &robust_list, &size);
  WriteId(pointer, robust_list, tid);
  entry->tid.store(0, std::memory_order_release);
}

void TakeOwnIdIfMay(Stop stop, const Call& call, const Position& position) {
  if (MayTakeId(stop, call, position)) TakeOwnId();
}

}  // namespace livefork
