// Continues a system call that the parking signal has interrupted, as if there had been no signal.
// SA_RESTART alone does not restart poll(2), select(2), epoll_wait(2), nanosleep(2), sigwaitinfo(2)
// and others, nor any call with a time limit: signal(7).
#pragma once

#include <signal.h>

#include <cstddef>
#include <cstdint>

#include "arch.h"

namespace livefork {

// The result of livefork_call() if our own signal has interrupted it; not an errno.
constexpr long kCutByUs = -1000;
constexpr size_t kMaskSize = sizeof(uint64_t);

// Repeats a call until our signal does not interrupt it. make computes the arguments each time.
template <typename F>
long Repeat(long number, F make) {
  for (;;) {
    Call call{number, {}};
    make(call.arguments);
    const long result = livefork_call(call.number, call.arguments);
    if (result != kCutByUs) return result;
  }
}

// For calls without a mask argument: sets the thread's own mask before the call and blocks all
// signals after it.
template <typename F>
long Unmasked(const uint64_t* mask, F call) {
  uint64_t all = 0;
  Sys(SYS_rt_sigprocmask, SIG_SETMASK, mask, &all, kMaskSize);
  const long result = call();
  Sys(SYS_rt_sigprocmask, SIG_SETMASK, &all, nullptr, kMaskSize);
  return result;
}

// Last in the signal handler: repeats the call, or makes the return repeat it. The call was
// interrupted, and its number is known. Returns at once if a signal of the program is pending,
// because the EINTR belongs to that signal. parked: it was interrupted for a park.
void Resume(void* ucontext, const Call& call, bool parked);

// For a call that cannot be repeated, because its first argument is lost: continues a wait at a
// futex, or ends it with 0 instead of EINTR. futex(2): 0 may mean a spurious wake-up, so callers
// look at the word again.
void ResumeWithoutFirst(void* ucontext);

// The same as Resume() for a call that the signal has ended with a partial result: write(2) to a
// pipe or socket that waits for room, send(2) in the same way, recv(2) with MSG_WAITALL. It
// requests the rest, as the kernel would have done. Any other cause of the partial result also ends
// that request.
void Complete(void* ucontext, const Call& call);

// First in the signal handler: if the interrupted call is one of Resume() itself, marks it as
// interrupted by our signal and returns true; then there is nothing to resume.
bool MarkCut(void* ucontext);

}  // namespace livefork
