// What can be seen of a thread that has not been stopped.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fork/base/call.h"
#include "fork/park/bottom.h"

namespace livefork {

// A call from /proc/self/task/TID/syscall, with the place from which it is made. The number of an
// interrupted call is not stored anywhere else, unless it is in the code right before the
// instruction.
struct Seen {
  Call call;
  uintptr_t stack, place;
  bool
      runs;  // not waiting for anything: neither in a call, nor for a page, nor in the kernel alone
};

// The system call in which a thread is now; number -1 if it runs or /proc does not show it. After a
// change of user the file belongs to root (PR_SET_DUMPABLE); then only the code shows the number of
// a call. False: nothing could be read.
bool See(int task, int tid, Seen& seen);

// Distinguishes calls of the same number by their place and arguments.
uint32_t Hash(uintptr_t stack, uintptr_t place, const Call& call);

// Of one thread of this process, in nanoseconds; 0: it has ended.
uint64_t ProcessorTime(int tid);

// Threads that ran when they were looked at. Where a call's result overwrites its first argument, a
// call that begins between the look and the signal cannot be repeated, and a thread that runs may
// be about to begin one. So it is looked at again, unless it computes, for at most half of the time
// until the deadline. One that gets no processor has to be waited for anyway.
class Runners {
 public:
  explicit Runners(uint64_t deadline);
  bool LookAgain(int tid);

 private:
  struct Runner {
    int tid, looks;
    uint64_t used;  // of the processor, at the first look
  };
  static constexpr size_t kMost = 128;
  uint64_t end_;
  size_t count_ = 0;
  Runner runners_[kMost];
};

// A copy, because the thread continues and may end. If process_vm_readv(2) is denied, the thread
// itself decides.
class SeenFrames {
 public:
  SeenFrames(uintptr_t stack, uintptr_t pointer);
  bool known() const { return known_; }
  const Frames& get() const { return frames_; }

 private:
  uintptr_t copy_[Frames::kMost];
  Frames frames_;
  bool known_;
};

}  // namespace livefork
