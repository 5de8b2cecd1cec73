#include <sys/wait.h>
#include <unistd.h>

#include "sys/result.h"
#include "sys/try_as.h"

namespace sys {

pid_t QuietFork() {
  return Result(fork());
}

int QuietWait(pid_t child, int* status) {
  for (;;) {
    const int ended = Result(waitpid(child, status, 0));
    if (ended != -EINTR) return ended < 0 ? ended : 0;
  }
}

int BecomeAlone(uid_t uid, gid_t gid, const unsigned* groups, size_t count) {
  if (setgroups(static_cast<int>(count), groups) != 0 && errno != EPERM) return -errno;
  if (setresgid(gid, gid, gid) != 0) return -errno;
  return Result(setresuid(uid, uid, uid));
}

}  // namespace sys
