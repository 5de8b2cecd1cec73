// Looking at threads without stopping them.
#include <cstring>

#include "fork/base/procfs.h"
#include "fork/fork.h"
#include "fork/park/ids.h"
#include "fork/state.h"
#include "libc.h"

namespace livefork {
namespace {

// The third field of TID/stat, behind the name, which may hold anything. 0: the thread is gone.
char StateOf(int task, int tid) {
  char text[128];
  if (ReadTask(task, tid, "stat", text, sizeof text) <= 0) return 0;
  const char* at = strrchr(text, ')');
  return at == nullptr ? '\0' : at[2];
}

// R runs, D waits for a disk or for memory. Only the caller gives work to the pool, so threads that
// are seen asleep one after the other are asleep together.
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

// Tries until it holds, at growing intervals of 10 ms at the most.
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
      // It has ended, and its record with it.
      if (AskToTakeId(task.get(), tid, kept.pointer) == -ESRCH) kept.tid.store(0);
    });
    return IdsAdopted();
  });
}

// A number that no thread has: they end at 2^22 (PID_MAX_LIMIT), and libc's locks have 29 bits for
// an id.
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
