#include "fork/park/ids.h"

#include <linux/futex.h>
#include <sys/epoll.h>

#include "fork/state.h"
#include "libc.h"

namespace livefork {
namespace {

// A thread's robust list as set_robust_list(2) knows it; libc's entries lie in its mutexes.
struct RobustList {
  void* next;
  long futex_offset;
  void* pending;
};

void Replace(int* word, int old_id, int id) {
  auto* atomic = reinterpret_cast<std::atomic<uint32_t>*>(word);
  uint32_t value = atomic->load(std::memory_order_relaxed);
  while ((value & FUTEX_TID_MASK) == static_cast<uint32_t>(old_id) &&
         !atomic->compare_exchange_weak(value,
                                        (value & ~FUTEX_TID_MASK) | static_cast<uint32_t>(id))) {
  }
}

// The kernel marks a robust mutex of a thread that ends only if it has the thread's id in it.
void RenameRobust(void* robust_list, int old_id, int id) {
  constexpr int kMost = 2048;  // as ROBUST_LIST_LIMIT of the kernel: the list may be a ring
  auto* head = static_cast<RobustList*>(robust_list);
  if (head == nullptr) return;
  auto* entry = reinterpret_cast<void**>(reinterpret_cast<uintptr_t>(head->next) & ~uintptr_t{1});
  for (int i = 0; i < kMost && entry != nullptr && static_cast<void*>(entry) != head; ++i) {
    int* word = reinterpret_cast<int*>(reinterpret_cast<char*>(entry) + head->futex_offset);
    Replace(word, old_id, id);
    if (kOwnerBehindLock > 0) Replace(word + kOwnerBehindLock, old_id, id);
    entry = reinterpret_cast<void**>(reinterpret_cast<uintptr_t>(*entry) & ~uintptr_t{1});
  }
}

// Who waits with a time limit may be pausing with a lock in hand. A loop of libuv's is not: it has
// room for 1,024 events at a time.
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

bool IsIdle(Stop stop, const Call& call) {
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
      if (command == FUTEX_WAIT_BITSET) return true;
      return command == FUTEX_WAIT && !WaitsForLock(static_cast<uint32_t>(call.arguments[2]));
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
  RenameRobust(robust_list, record, id);
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

void TakeOwnIdIfIdle(Stop stop, const Call& call) {
  if (IsIdle(stop, call)) TakeOwnId();
}

}  // namespace livefork
