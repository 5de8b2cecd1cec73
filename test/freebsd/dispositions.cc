#include "sys/dispositions.h"

#include <csignal>

#include "children.h"
#include "tap.h"

namespace {

int Number(sys::Disposition disposition) {
  return static_cast<int>(disposition);
}

}  // namespace

TEST(Dispositions, "dispositions: default, ignored, nested, taken by somebody else") {
  EQUAL(sys::DispositionOf(SIGUSR1), Number(sys::Disposition::kDefault));
  EQUAL(sys::IgnoreSignal(SIGUSR1), 0);
  EQUAL(sys::IgnoreSignal(SIGUSR1), 0);
  EQUAL(sys::DispositionOf(SIGUSR1), Number(sys::Disposition::kIgnored));
  EQUAL(sys::HandlerNumber(SIGUSR1), 1);
  EQUAL(sys::UnignoreSignal(SIGUSR1), 0);
  EQUAL(sys::DispositionOf(SIGUSR1), Number(sys::Disposition::kIgnored));
  EQUAL(sys::UnignoreSignal(SIGUSR1), 0);
  EQUAL(sys::HandlerNumber(SIGUSR1), 0);
  signal(SIGUSR1, [](int) {});
  HOLDS(sys::HandlerNumber(SIGUSR1) > 1);
  EQUAL(sys::ResetSignal(SIGUSR1), 0);
  EQUAL(sys::HandlerNumber(SIGUSR1), 0);
  EQUAL(sys::ResetSignal(SIGPIPE), 0);
  EQUAL(sys::HandlerNumber(SIGPIPE), 1);
}

TEST(Refused, "dispositions: what libc keeps to itself, and what nobody changes") {
  // glibc's and musl's 32 are their own; FreeBSD's libthr has SIGTHR there.
  EQUAL(sys::DispositionOf(32), -EINVAL);
  EQUAL(sys::IgnoreSignal(SIGKILL), -EINVAL);
}

TEST(Mask, "signalMask: block, look, unblock, set; delivery waits") {
  sys::SignalMask(3, {});
  HOLDS(sys::SignalMask(0, {}) == std::vector<int>{});
  HOLDS(sys::SignalMask(1, {SIGUSR1, SIGTERM}) == std::vector<int>{});
  kill(getpid(), SIGTERM);
  const std::vector<int> now = sys::SignalMask(0, {});
  EQUAL(now.size(), 2U);
  signal(SIGTERM, SIG_IGN);
  HOLDS(sys::SignalMask(2, {SIGTERM}).size() == 2);
  EQUAL(sys::SignalMask(0, {}).at(0), SIGUSR1);
}
