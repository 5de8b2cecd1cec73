// Signal dispositions and the mask: sigaction(2), pthread_sigmask(3). Main thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sys {

// The disposition of a signal; lib/ uses the names of the numbers.
enum class Disposition : int {
  kDefault = 0,
  kIgnored = 1,
  kRuntime = 2,  // a handler of Node, V8 or libuv, which serves process.on() too
  kFlag = 3,     // a SignalFlag's
  kForeign = 4,  // a handler of an addon or its libraries
};
inline constexpr const char* kDispositions[] = {"default", "ignored", "runtime", "flag", "foreign"};
static_assert(sizeof kDispositions / sizeof *kDispositions ==
              static_cast<size_t>(Disposition::kForeign) + 1);

// One of Disposition's numbers, or -errno: libc reserves some signals.
int DispositionOf(int signal);

// The handler of a signal as a number, for comparison: 0 is SIG_DFL, 1 SIG_IGN. Or -errno.
int64_t HandlerNumber(int signal);

// Restores the default action of a signal, and forgets all IgnoreSignal() of it. SIGPIPE and
// SIGXFSZ are ignored instead: Node's writes fail with EPIPE and EFBIG. 0, or -errno.
int ResetSignal(int signal);

// Ignores a signal. The last UnignoreSignal() restores the disposition before the first
// IgnoreSignal(), unless it has changed since. 0, or -errno.
int IgnoreSignal(int signal);
int UnignoreSignal(int signal);

// Whether there is an IgnoreSignal() that was not undone.
bool IsIgnoring(int signal);

// Changes the calling thread's mask and returns the signals that were blocked before. `how`: 0
// changes nothing, 1 blocks, 2 unblocks the signals, 3 blocks only these. A single negative element
// is -errno.
std::vector<int> SignalMask(int how, const std::vector<int>& signals);

}  // namespace sys
