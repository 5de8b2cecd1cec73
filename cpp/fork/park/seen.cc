#include "fork/park/seen.h"

#include <sys/uio.h>
#include <time.h>

#include "arch.h"
#include "fork/base/procfs.h"
#include "fork/park/park.h"

namespace livefork {

// clock_gettime(2) takes a clock with the thread's id (MAKE_THREAD_CPUCLOCK of
// include/linux/posix-timers_types.h).
uint64_t ProcessorTime(int tid) {
  constexpr int kOfThread = 4, kScheduled = 2;
  timespec used{};
  Sys(SYS_clock_gettime, ~tid * 8 | kOfThread | kScheduled, &used);
  return static_cast<uint64_t>(used.tv_sec) * 1000000000 + static_cast<uint64_t>(used.tv_nsec);
}

uint32_t Hash(uintptr_t stack, uintptr_t place, const Call& call) {
  uint64_t hash = stack * 31 + place;
  // The register of the first argument may already contain the result.
  for (int i = 1; i < 6; ++i) {
    // A loop waits for the same descriptor with another limit each time. Its first argument is
    // needed, and this one is not.
    const bool limit = i == 3 && kFirstArgumentLost && call.number == SYS_epoll_pwait;
    if (!limit) hash = hash * 31 + static_cast<uint64_t>(call.arguments[i]);
  }
  return static_cast<uint32_t>(hash ^ hash >> 32);
}

bool See(int task, int tid, Seen& seen) {
  seen = {{-1, {}}, 0, 0, false};
  char text[256];
  if (ReadTask(task, tid, "syscall", text, sizeof text) <= 0) return false;
  seen.runs = text[0] == 'r';
  if (text[0] < '0' || text[0] > '9') return true;  // "running", or "-1" between calls
  const char* at = text;
  seen.call.number = static_cast<long>(Number(at, 10));
  for (long& argument : seen.call.arguments) argument = static_cast<long>(Number(at, 16));
  seen.stack = Number(at, 16);
  seen.place = Number(at, 16);
  return true;
}

Runners::Runners(uint64_t deadline) {
  const uint64_t now = MonotonicNs();
  end_ = now < deadline ? now + (deadline - now) / 2 : deadline;
}

bool Runners::LookAgain(int tid) {
  constexpr uint64_t kComputes = 5000000;
  constexpr int kFewest = 8;
  if (MonotonicNs() > end_) return false;
  const uint64_t used = ProcessorTime(tid);
  for (size_t i = 0; i < count_; ++i) {
    Runner& known = runners_[i];
    if (known.tid == tid) return ++known.looks < kFewest || used - known.used < kComputes;
  }
  if (count_ == kMost) return false;
  runners_[count_++] = {tid, 1, used};
  return true;
}

SeenFrames::SeenFrames(uintptr_t stack, uintptr_t pointer)
    : frames_(Frames::Between(stack, pointer)) {
  const size_t size = frames_.count * sizeof(uintptr_t);
  const iovec to{copy_, size}, from{reinterpret_cast<void*>(stack), size};
  const long got = Sys(SYS_process_vm_readv, Sys(SYS_getpid), &to, 1, &from, 1, 0);
  known_ = got == static_cast<long>(size);
  frames_.words = copy_;
}

}  // namespace livefork
