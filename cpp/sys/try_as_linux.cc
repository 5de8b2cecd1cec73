#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/result.h"
#include "sys/try_as.h"

namespace sys {

// Not fork(3): the pthread_atfork handlers of other libraries are for a child that continues.
pid_t QuietFork() {
  return static_cast<pid_t>(Result(syscall(SYS_clone, 0, nullptr, nullptr, nullptr, nullptr)));
}

int QuietWait(pid_t child, int* status) {
  for (;;) {
    const int ended = Result(waitpid(child, status, __WALL));
    if (ended != -EINTR) return ended < 0 ? ended : 0;
  }
}

// The kernel's calls, which affect one thread. libc would signal the others, which do not exist
// here.
int BecomeAlone(uid_t uid, gid_t gid, const unsigned* groups, size_t count) {
  if (syscall(SYS_setgroups, count, groups) != 0 && errno != EPERM) return -errno;
  if (syscall(SYS_setresgid, gid, gid, gid) != 0) return -errno;
  return syscall(SYS_setresuid, uid, uid, uid) == 0 ? 0 : -errno;
}

}  // namespace sys
