#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "sys/result.h"
#include "sys/socket_mode.h"

namespace sys {

namespace {

constexpr int kPermissions = 0777;

// By /proc, because fchmodat(2) has no AT_SYMLINK_NOFOLLOW before Linux 6.6, and fchmod(2) does not
// accept O_PATH.
int SetMode(int file, int mode, int also) {
  struct stat found {};
  if (fstat(file, &found) != 0) return -errno;
  if (!S_ISSOCK(found.st_mode)) return -EADDRINUSE;
  const mode_t now = found.st_mode & kPermissions;
  const mode_t wanted = (mode < 0 ? now : static_cast<mode_t>(mode)) | static_cast<mode_t>(also);
  if (wanted == now) return 0;
  char link[sizeof "/proc/self/fd/2147483647"];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  return Result(chmod(link, wanted));
}

}  // namespace

// bind(2) uses the mode of the socket's own inode, less the umask (unix_bind_bsd in Linux's
// net/unix/af_unix.c).
void NarrowNextFile(int fd, int mode) {
  [[maybe_unused]] const int ignored = fchmod(fd, static_cast<mode_t>(mode));
}

int SetSocketMode(const char* path, int mode, int also) {
  const int file = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (file < 0) return -errno;
  const int result = SetMode(file, mode, also);
  close(file);
  return result;
}

}  // namespace sys
