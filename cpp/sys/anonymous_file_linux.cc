#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "sys/anonymous_file.h"

namespace sys {

int AnonymousFile(const std::string& name) {
  // MFD_CLOEXEC. By its number, as glibc has a function for it only since 2.27.
  constexpr unsigned kCloseOnExec = 1;
  const long fd = syscall(SYS_memfd_create, name.c_str(), kCloseOnExec);
  return fd < 0 ? -errno : static_cast<int>(fd);
}

}  // namespace sys
