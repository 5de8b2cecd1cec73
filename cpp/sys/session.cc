#include "sys/session.h"

#include <unistd.h>

#include "sys/result.h"

namespace sys {

int Setsid() {
  return Result(setsid());
}
int Getsid(int pid) {
  return Result(getsid(pid));
}
int Setpgid(int pid, int pgid) {
  return Result(setpgid(pid, pgid));
}
int Getpgid(int pid) {
  return Result(getpgid(pid));
}

}  // namespace sys
