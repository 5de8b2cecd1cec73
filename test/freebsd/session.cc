#include "sys/session.h"

#include "children.h"
#include "tap.h"

TEST(Setsid, "setsid makes a leader of its own session and group, once") {
  // As the shell may have made the program a group's leader.
  const pid_t child = tap::Spawn([] {
    const int self = getpid();
    const bool leads = sys::Setsid() == self && sys::Getsid(0) == self && sys::Getpgid(0) == self;
    return leads && sys::Setsid() == -EPERM ? 0 : 1;
  });
  EQUAL(tap::Await(child), 0);
}

TEST(Groups, "setpgid and getpgid: own group, and ESRCH") {
  EQUAL(sys::Setpgid(0, 0), 0);
  EQUAL(sys::Getpgid(0), getpid());
  const pid_t child = tap::Sleeper();
  EQUAL(sys::Setpgid(child, child), 0);
  EQUAL(sys::Getpgid(child), child);
  EQUAL(sys::Getsid(child), sys::Getsid(0));
  kill(child, SIGKILL);
  tap::Await(child);
  EQUAL(sys::Getpgid(child), -ESRCH);
  EQUAL(sys::Getsid(child), -ESRCH);
}
