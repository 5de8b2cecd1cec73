#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "sys/anonymous_file.h"

namespace sys {

int AnonymousFile(const std::string& name) {
  // MFD_CLOEXEC. The call is made by number, because glibc has the function only since 2.27.
  constexpr unsigned kCloseOnExec = 1;
  const long fd = syscall(SYS_memfd_create, name.c_str(), kCloseOnExec);
  return fd < 0 ? -errno : static_cast<int>(fd);
}

}  // namespace sys
