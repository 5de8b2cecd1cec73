#include "sys/signal_flag.h"

#include <csignal>
#include <cstring>

#include "children.h"
#include "sys/dispositions.h"
#include "tap.h"

namespace {

// What JavaScript has: the flag's words, and room for records.
struct Flag {
  int32_t memory[3] = {};
  int32_t numbers[2] = {SIGTERM, SIGUSR2};
  int32_t records[6 * 64] = {};
  int id = sys::SignalFlagOpen({memory, 3}, {numbers, 2});

  int Read() { return sys::SignalFlagRead(id, {records, 6 * 64}); }
};

}  // namespace

TEST(FlagRaised, "SignalFlag: word, count, record with the sender, readable descriptor") {
  Flag flag;
  HOLDS(flag.id >= 0);
  const pid_t child = tap::Spawn([] { return kill(getppid(), SIGUSR2) == 0 ? 0 : 1; });
  EQUAL(tap::Await(child), 0);
  HOLDS(tap::Readable(sys::SignalFlagFd(flag.id), 20000));
  EQUAL(flag.memory[0], 1);
  EQUAL(flag.memory[1], 0);
  EQUAL(flag.memory[2], 1);
  EQUAL(flag.Read(), 1);
  EQUAL(flag.records[0], SIGUSR2);
  EQUAL(flag.records[1], child);
  EQUAL(static_cast<uid_t>(flag.records[2]), getuid());
  EQUAL(flag.records[3], 1);
  double time;
  memcpy(&time, flag.records + 4, sizeof time);
  HOLDS(time > 1.6e12);
  EQUAL(flag.Read(), 0);
}

TEST(FlagFull, "SignalFlag: a full pipe loses no count and does not block") {
  Flag flag;
  constexpr int kMany = 5000;
  for (int i = 0; i < kMany; ++i) kill(getpid(), SIGTERM);
  EQUAL(flag.memory[1], kMany);
  int read = 0;
  for (int now; (now = flag.Read()) > 0;) read += now;
  HOLDS(read > 0 && read <= kMany);
  int32_t latest[6];
  sys::SignalFlagLatest(SIGTERM, {latest, 6});
  EQUAL(latest[0], SIGTERM);
  EQUAL(latest[1], getpid());
}

TEST(FlagClosed, "SignalFlag: two flags for one signal; the last one gives the handler back") {
  signal(SIGTERM, SIG_IGN);
  Flag one;
  Flag two;
  EQUAL(sys::DispositionOf(SIGTERM), static_cast<int>(sys::Disposition::kFlag));
  raise(SIGTERM);
  EQUAL(one.memory[1] + two.memory[1], 2);
  sys::SignalFlagClose(one.id);
  raise(SIGTERM);
  EQUAL(one.memory[1], 1);
  EQUAL(two.memory[1], 2);
  sys::SignalFlagSettle(two.id);
  sys::SignalFlagClose(two.id);
  EQUAL(sys::HandlerNumber(SIGTERM), 1);
}

TEST(FlagRefused, "SignalFlag: a signal that cannot be caught changes nothing") {
  int32_t memory[3] = {};
  int32_t numbers[2] = {SIGTERM, SIGKILL};
  EQUAL(sys::SignalFlagOpen({memory, 3}, {numbers, 2}), -EINVAL);
  EQUAL(sys::HandlerNumber(SIGTERM), 0);
}

TEST(RealTime, "SignalFlag: the real-time signals' bounds") {
  EQUAL(sys::SignalRtMin(), SIGRTMIN);
  HOLDS(sys::SignalRtMax() > sys::SignalRtMin());
}
