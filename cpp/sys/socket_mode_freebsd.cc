#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "sys/result.h"
#include "sys/socket_mode.h"

namespace sys {

void NarrowNextFile(int, int) {}

int SetSocketMode(const char* path, int mode, int also) {
  struct stat found {};
  if (fstatat(AT_FDCWD, path, &found, AT_SYMLINK_NOFOLLOW) != 0) return -errno;
  if (!S_ISSOCK(found.st_mode)) return -EADDRINUSE;
  const mode_t now = found.st_mode & 0777;
  const mode_t wanted = (mode < 0 ? now : static_cast<mode_t>(mode)) | static_cast<mode_t>(also);
  return Result(fchmodat(AT_FDCWD, path, wanted, AT_SYMLINK_NOFOLLOW));
}

}  // namespace sys
