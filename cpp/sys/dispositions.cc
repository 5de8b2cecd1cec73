#include "sys/dispositions.h"

#include <signal.h>

#include "sys/result.h"

namespace sys {
namespace {

struct sigaction hangup;

}  // namespace

int IgnoreHangup() {
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  return Result(sigaction(SIGHUP, &ignore, &hangup));
}

int RestoreHangup() {
  return Result(sigaction(SIGHUP, &hangup, nullptr));
}

int64_t SignalHandler(int signal) {
  struct sigaction action;
  if (sigaction(signal, nullptr, &action) != 0) return -errno;
  // sa_sigaction is in the same place.
  return static_cast<int64_t>(reinterpret_cast<intptr_t>(action.sa_handler));
}

int ResetSignals() {
  for (int signal = 1; signal < NSIG; ++signal) {
    struct sigaction action;
    // libc keeps some numbers to itself and answers EINVAL for them.
    if (sigaction(signal, nullptr, &action) != 0) continue;
    if (action.sa_handler != SIG_IGN || signal == SIGPIPE || signal == SIGXFSZ) continue;
    action.sa_handler = SIG_DFL;
    sigaction(signal, &action, nullptr);
  }
  sigset_t none;
  sigemptyset(&none);
  return -pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace sys
