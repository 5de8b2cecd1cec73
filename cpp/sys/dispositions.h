// Signal dispositions and the mask: sigaction(2), pthread_sigmask(3). Main thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sys {

// What a signal does; lib/ knows the numbers by their names.
enum class Disposition : int {
  kDefault = 0,
  kIgnored = 1,
  kRuntime = 2,  // a handler of Node, V8 or libuv, which serves process.on() too
  kFlag = 3,     // a SignalFlag's
  kForeign = 4,  // any other code's: an addon's, or of a library that it brought
};
inline constexpr const char* kDispositions[] = {"default", "ignored", "runtime", "flag", "foreign"};
static_assert(sizeof kDispositions / sizeof *kDispositions ==
              static_cast<size_t>(Disposition::kForeign) + 1);

// One of Disposition's numbers, or -errno: libc keeps some signals to itself.
int DispositionOf(int signal);

// The handler of a signal as a number, to be compared: 0 is SIG_DFL, 1 SIG_IGN. Or -errno.
int64_t HandlerNumber(int signal);

// Gives a signal its default action, whatever it did, and forgets all IgnoreSignal() of it. For
// SIGPIPE and SIGXFSZ that is being ignored: Node's writes fail with EPIPE and EFBIG. 0, or -errno.
int ResetSignal(int signal);

// Ignores a signal; the last UnignoreSignal() puts back what the first IgnoreSignal() found, unless
// the signal has got another disposition since. 0, or -errno.
int IgnoreSignal(int signal);
int UnignoreSignal(int signal);

// Whether there is an IgnoreSignal() that was not undone.
bool IsIgnoring(int signal);

// Changes the calling thread's mask and returns the signals it had before; `how` is 0 to leave it,
// 1 to block, 2 to unblock the signals, 3 to block these only. One element that is negative is
// -errno.
std::vector<int> SignalMask(int how, const std::vector<int>& signals);

}  // namespace sys
