#include "sys/process.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace sys {

Waited Waitpid(int pid, bool noHang, bool untraced, bool continued) {
  const int flags =
      (noHang ? WNOHANG : 0) | (untraced ? WUNTRACED : 0) | (continued ? WCONTINUED : 0);
  Waited waited{0, -1, 0, false, false, false, {}};
  int status = 0;
  do {
    waited.pid = wait4(pid, &status, flags, &waited.usage);
  } while (waited.pid < 0 && errno == EINTR);
  if (waited.pid < 0) waited.pid = -errno;
  if (waited.pid <= 0) return waited;
  if (WIFEXITED(status)) waited.exitCode = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) waited.signal = WTERMSIG(status);
  if (WIFSTOPPED(status)) waited.signal = WSTOPSIG(status);
  waited.stopped = WIFSTOPPED(status);
  waited.continued = WIFCONTINUED(status);
  waited.coreDumped = WIFSIGNALED(status) && WCOREDUMP(status);
  return waited;
}

void Exit(int code) {
  _exit(code);
}

int Getpid() {
  return getpid();
}

int Getppid() {
  return getppid();
}

}  // namespace sys
