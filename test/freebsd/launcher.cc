#include "sys/launcher.h"

#include <csignal>

#include "children.h"
#include "sys/parentage.h"
#include "sys/socketpair.h"
#include "tap.h"

namespace {

struct Lines {
  std::vector<int> channel = sys::Socketpair(true);
  std::vector<int> relay = sys::Socketpair(false);
};

// fork, setsid, fork; body is the daemon's.
template <typename Body>
sys::Outcome Launch(Body body, int timeout = 30000) {
  Lines lines;
  sys::SetChildSubreaper(true);
  const pid_t middle = tap::Spawn([&lines, body] {
    close(lines.channel[0]);
    close(lines.relay[0]);
    setsid();
    const pid_t daemon = tap::Spawn([&lines, body] { return body(lines.channel[1]); });
    sys::SendRecord(lines.channel[1], "p" + std::to_string(daemon));
    return 0;
  });
  close(lines.channel[1]);
  close(lines.relay[1]);
  return sys::AwaitBirth(lines.channel[0], lines.relay[0], -1, middle, timeout);
}

int How(const sys::Outcome& outcome) {
  return std::get<0>(outcome);
}

int Birth(sys::Birth how) {
  return static_cast<int>(how);
}

// Nothing that the launch has made is left.
bool Childless() {
  return waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD;
}

}  // namespace

TEST(Ready, "awaitBirth: ready, the daemon lives on") {
  const sys::Outcome outcome = Launch([](int channel) {
    sys::SendRecord(channel, "r");
    usleep(200000);
    return 5;
  });
  EQUAL(How(outcome), Birth(sys::Birth::kReady));
  EQUAL(tap::Await(-1), 5);
}

TEST(Failed, "awaitBirth: the reason in words") {
  const sys::Outcome outcome = Launch([](int channel) {
    sys::SendRecord(channel, "fthe reason");
    return 1;
  });
  EQUAL(How(outcome), Birth(sys::Birth::kFailed));
  EQUAL(std::get<3>(outcome), "the reason");
  HOLDS(Childless());
}

TEST(Died, "awaitBirth: exit code and signal of a daemon that died") {
  sys::Outcome outcome = Launch([](int) { return 42; });
  EQUAL(How(outcome), Birth(sys::Birth::kDied));
  EQUAL(std::get<1>(outcome), 42);
  outcome = Launch([](int) { return raise(SIGKILL); });
  EQUAL(How(outcome), Birth(sys::Birth::kDied));
  EQUAL(std::get<2>(outcome), SIGKILL);
  HOLDS(Childless());
}

TEST(Timeout, "awaitBirth: one that hangs is ended and reaped") {
  const sys::Outcome outcome = Launch(
      [](int) {
        for (;;) pause();
        return 0;
      },
      100);
  EQUAL(How(outcome), Birth(sys::Birth::kTimeout));
  HOLDS(Childless());
}

TEST(Interrupted, "awaitBirth: a signal to the launcher ends the launch") {
  const pid_t self = getpid();
  // Until the launcher has its handlers the signal waits: it would end the launcher, and nothing
  // would end the daemon. awaitBirth() unblocks all signals.
  sigset_t term;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &term, nullptr);
  const sys::Outcome outcome = Launch([self, &term](int) {
    pthread_sigmask(SIG_UNBLOCK, &term, nullptr);
    kill(self, SIGTERM);
    for (;;) pause();
    return 0;
  });
  EQUAL(How(outcome), Birth(sys::Birth::kInterrupted));
  EQUAL(std::get<2>(outcome), SIGTERM);
  HOLDS(Childless());
}
