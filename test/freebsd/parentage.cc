#include "sys/parentage.h"

#include <csignal>

#include "children.h"
#include "tap.h"

TEST(Subreaper, "subreaper: an orphan comes to it; asked twice is no error; given back") {
  EQUAL(sys::GetChildSubreaper(), 0);
  EQUAL(sys::SetChildSubreaper(true), 0);
  EQUAL(sys::SetChildSubreaper(true), 0);
  EQUAL(sys::GetChildSubreaper(), 1);
  const pid_t middle = tap::Spawn([] {
    if (sys::GetChildSubreaper() != 0) return 1;
    const pid_t between = getpid();
    tap::Spawn([between] {
      while (getppid() == between) usleep(1000);
      return 9;
    });
    return 0;
  });
  EQUAL(tap::Await(middle), 0);
  EQUAL(tap::Await(-1), 9);
  EQUAL(sys::SetChildSubreaper(false), 0);
  EQUAL(sys::SetChildSubreaper(false), 0);
  EQUAL(sys::GetChildSubreaper(), 0);
}

TEST(DeathSignal, "the parent's death signal: read back, sent, not inherited, none") {
  EQUAL(sys::SetChildSubreaper(true), 0);
  const pid_t middle = tap::Spawn([] {
    int ready[2];
    if (pipe(ready) != 0) return 1;
    tap::Spawn([ready] {
      const bool none = sys::GetParentDeathSignal() == 0;
      const bool set = sys::SetParentDeathSignal(SIGUSR1) == 0;
      const bool told = sys::GetParentDeathSignal() == SIGUSR1;
      if (!none || !set || !told) return 1;
      if (write(ready[1], "", 1) != 1) return 2;
      for (;;) pause();
    });
    char byte;
    return read(ready[0], &byte, 1) == 1 ? 0 : 3;
  });
  EQUAL(tap::Await(middle), 0);
  EQUAL(tap::Await(-1), 1000 + SIGUSR1);
  EQUAL(sys::SetParentDeathSignal(0), 0);
  EQUAL(sys::GetParentDeathSignal(), 0);
  EQUAL(sys::SetParentDeathSignal(1000), -EINVAL);
}
