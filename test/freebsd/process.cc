#include "sys/process.h"

#include <csignal>

#include "children.h"
#include "tap.h"

TEST(WaitpidExit, "waitpid: exit code, usage, ECHILD") {
  const pid_t child = tap::Spawn([] {
    // FreeBSD notes it at a clock tick, so that one that ends before has none.
    rusage usage{};
    while (getrusage(RUSAGE_SELF, &usage) == 0 && usage.ru_maxrss == 0) {
    }
    return 42;
  });
  const sys::Waited waited = sys::Waitpid(child, false, false, false);
  EQUAL(waited.pid, child);
  EQUAL(waited.exitCode, 42);
  EQUAL(waited.signal, 0);
  HOLDS(!waited.stopped && !waited.continued && !waited.coreDumped);
  HOLDS(waited.usage.ru_maxrss > 0);
  EQUAL(sys::Waitpid(child, false, false, false).pid, -ECHILD);
}

TEST(WaitpidStates, "waitpid: nothing yet, stopped, continued, killed") {
  const pid_t child = tap::Sleeper();
  EQUAL(sys::Waitpid(child, true, false, false).pid, 0);
  kill(child, SIGSTOP);
  sys::Waited waited = sys::Waitpid(child, false, true, false);
  HOLDS(waited.stopped && waited.signal == SIGSTOP && waited.exitCode == -1);
  kill(child, SIGCONT);
  waited = sys::Waitpid(child, false, false, true);
  HOLDS(waited.continued && waited.exitCode == -1);
  kill(child, SIGKILL);
  waited = sys::Waitpid(child, false, false, false);
  EQUAL(waited.signal, SIGKILL);
  EQUAL(waited.exitCode, -1);
}

TEST(ExitDescriptor, "exitDescriptor: readable when the child ends, not before, close-on-exec") {
  const pid_t child = tap::Sleeper();
  const int fd = sys::ExitDescriptor(child);
  HOLDS(fd >= 0);
  HOLDS((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
  HOLDS(!tap::Readable(fd, 50));
  kill(child, SIGKILL);
  HOLDS(tap::Readable(fd, 20000));
  EQUAL(tap::Await(child), 1000 + SIGKILL);
}

TEST(ExitDescriptorLate,
     "exitDescriptor: one that has ended already; ESRCH once it is waited for") {
  const pid_t child = tap::Spawn([] { return 0; });
  siginfo_t info;
  waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT);
  const int fd = sys::ExitDescriptor(child);
  HOLDS(fd >= 0 && tap::Readable(fd, 20000));
  tap::Await(child);
  EQUAL(sys::ExitDescriptor(child), -ESRCH);
}

TEST(Pidfd, "pidfdOpen and pidfdSendSignal, or ENOSYS from both") {
  const pid_t child = tap::Sleeper();
  const int fd = sys::PidfdOpen(child);
  if (fd == -ENOSYS) {
    EQUAL(sys::PidfdSendSignal(0, 0), -ENOSYS);
    kill(child, SIGKILL);
    tap::Await(child);
    tap::Skip("no pidfds here");
  }
  EQUAL(sys::PidfdSendSignal(fd, SIGKILL), 0);
  EQUAL(tap::Await(child), 1000 + SIGKILL);
  EQUAL(sys::PidfdSendSignal(fd, SIGKILL), -ESRCH);
}

TEST(Ids, "getpid, getppid, _exit") {
  const int parent = sys::Getpid();
  const pid_t child =
      tap::Spawn([parent]() -> int { sys::Exit(sys::Getppid() == parent ? 7 : 8); });
  EQUAL(tap::Await(child), 7);
}
