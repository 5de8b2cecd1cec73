#include "sys/fd.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <climits>

#include "sys/result.h"

namespace sys {

int Dup(int fd) {
  return Result(dup(fd));
}

int Dup2(int oldfd, int newfd) {
  return Result(dup2(oldfd, newfd));
}

int CloseOnExec(int fd) {
  const int flags = fcntl(fd, F_GETFD);
  return flags < 0 ? -errno : (flags & FD_CLOEXEC) != 0;
}

int AccessMode(int fd) {
  const int flags = Result(fcntl(fd, F_GETFL));
  return flags < 0 ? flags : flags & O_ACCMODE;
}

int Getdtablesize() {
  // Not getdtablesize(3), which turns an infinite limit into -1.
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return -errno;
  return static_cast<int>(std::min<rlim_t>(limit.rlim_cur, INT_MAX));
}

void CloseOne(int fd, bool cloexec) {
  if (!cloexec) {
    // Never retried: after EINTR or EIO the number is already free, and another thread may have it.
    close(fd);
    return;
  }
  const int flags = fcntl(fd, F_GETFD);
  if (flags >= 0) fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
}

static int CloseRangeLoop(unsigned first, unsigned last, bool cloexec) {
  const int size = Getdtablesize();
  if (size < 0) return size;
  const int64_t end = std::min<int64_t>(int64_t{last} + 1, size);
  for (int64_t fd = first; fd < end; ++fd) CloseOne(static_cast<int>(fd), cloexec);
  return 0;
}

int CloseRange(unsigned first, unsigned last, bool cloexec, int method) {
  switch (method) {
    case kCloseRange:
      return CloseRangeCall(first, last, cloexec);
    case kListed:
      return CloseRangeListed(first, last, cloexec);
    case kLoop:
      return CloseRangeLoop(first, last, cloexec);
    default:
      // After any failure the next method is tried: ENOSYS before Linux 5.9, EINVAL for the flag
      // before 5.11, EPERM from a seccomp filter older than the call; ENOENT without /proc, EMFILE
      // in a full table.
      if (CloseRangeCall(first, last, cloexec) == 0) return 0;
      if (CloseRangeListed(first, last, cloexec) == 0) return 0;
      return CloseRangeLoop(first, last, cloexec);
  }
}

}  // namespace sys
