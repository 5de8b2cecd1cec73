// Examines threads without stopping them.
#include <cstring>

#include "fork/base/procfs.h"
#include "fork/fork.h"
#include "fork/park/ids.h"
#include "fork/state.h"
#include "libc.h"

namespace livefork {
namespace {

// The third field of TID/stat, after the name, which may contain any text. 0: the thread has ended.
char StateOf(int task, int tid) {
  char text[128];
  if (ReadTask(task, tid, "stat", text, sizeof text) <= 0) return 0;
  const char* at = strrchr(text, ')');
  return at == nullptr ? '\0' : at[2];
}

// R is running, D waits for a disk or for memory. Only the caller gives work to the pool. So
// threads that are found asleep one after the other are all asleep at the same time.
bool AllSleep(int task) {
  const int self = static_cast<int>(Sys(SYS_gettid));
  bool all = true;
  EachNumber(task, [&](int tid) {
    const char seen = tid == self ? '\0' : StateOf(task, tid);
    all = seen != 'R' && seen != 'D';
    return all;
  });
  return all;
}

constexpr int kNobodys = 1 << 28;

void Sleep(uint64_t ns) {
  timespec pause{0, static_cast<long>(ns)};
  Sys(SYS_nanosleep, &pause, nullptr);
}

// Tries until the condition is true, at growing intervals of at most 10 ms.
template <typename F>
bool Await(uint64_t patience, F holds) {
  const uint64_t deadline = MonotonicNs() + patience;
  for (uint64_t pause = 100000; !holds(); pause += pause < 10000000 ? pause : 0) {
    if (MonotonicNs() >= deadline) return false;
    Sleep(pause);
  }
  return true;
}

}  // namespace

bool OthersSleep() {
  Fd task(Open("/proc/self/task"));
  return task.get() < 0 || AllSleep(task.get());
}

bool AwaitQuiescence(uint64_t patience) {
  Fd task(Open("/proc/self/task"));
  return task.get() >= 0 && Await(patience, [&] { return AllSleep(task.get()); });
}

bool IdsAdopted() {
  bool all = true;
  const int self = static_cast<int>(Sys(SYS_gettid));
  state.kept.Each([&](const KeptIds::Entry& entry) { all = all && entry.tid.load() == self; });
  return all;
}

bool AdoptIds(uint64_t patience) {
  if (IdsAdopted()) return true;
  Exclusive entry;
  if (entry.refused()) return false;
  const Fd task(Open("/proc/self/task"));
  const int self = static_cast<int>(Sys(SYS_gettid));
  return Await(patience, [&] {
    state.kept.Each([&](KeptIds::Entry& kept) {
      const int tid = kept.tid.load();
      if (tid == self) return;
      // The thread has ended, and its record too.
      if (AskToTakeId(task.get(), tid, kept.pointer) == -ESRCH) kept.tid.store(0);
    });
    return IdsAdopted();
  });
}

// An id that no thread has: ids end at 2^22 (PID_MAX_LIMIT), and libc's locks have 29 bits for an
// id.
void BeginChange() {
  if (!kMissesKept) IdInRecord(ThreadPointer()) |= kNobodys;
}

void EndChange() {
  if (!kMissesKept) IdInRecord(ThreadPointer()) &= ~kNobodys;
}

void AdoptCallerId() {
  TakeOwnId();
}

}  // namespace livefork
