#include "sys/try_as.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "sys/trusted_open.h"

namespace sys {
namespace {

struct Attempt {
  const char* path;
  int flags;
  const char* root;
  int64_t uid;
  int64_t gid;
  const unsigned* groups;
  size_t count;
};

// In the child. The order is that of becomeDaemon().
int Run(const Attempt& attempt) {
  if (*attempt.root != '\0' && (chroot(attempt.root) != 0 || chdir("/") != 0)) return errno;
  if (attempt.gid >= 0) {
    const auto [uid, gid] = std::pair(static_cast<uid_t>(attempt.uid), gid_t(attempt.gid));
    if (const int error = BecomeAlone(uid, gid, attempt.groups, attempt.count)) return -error;
  }
  static Way way;
  const NewFile none{kOnlyRoom, uid_t(-1), gid_t(-1)};
  const int flags = attempt.flags < 0 ? O_PATH : attempt.flags;
  const int fd = OpenOnWay(attempt.path, flags, none, geteuid() == 0, &way);
  const bool could = way.found == Found::kRoom || way.found == Found::kFifo;
  return fd >= 0 || could ? 0 : -fd;
}

}  // namespace

int TryOpenAs(const std::string& path, int flags, const std::string& root, int64_t uid, int64_t gid,
              const std::vector<unsigned>& groups) {
  const Attempt attempt{path.c_str(), flags, root.c_str(), uid, gid, groups.data(), groups.size()};
  // The child has the parent's handlers and their pipes.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t child = QuietFork();
  if (child == 0) _exit(Run(attempt));
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (child < 0) return child;
  int status = 0;
  if (const int error = QuietWait(child, &status)) return error;
  // Ended by another process: no error is known.
  return WIFEXITED(status) ? -WEXITSTATUS(status) : 0;
}

}  // namespace sys
