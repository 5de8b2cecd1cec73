#include "sys/anonymous_file.h"

#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <cerrno>

namespace sys {

int AnonymousFile(const std::string& name) {
#ifdef __linux__
  // MFD_CLOEXEC. By its number, as glibc has a function for it only since 2.27.
  constexpr unsigned kCloseOnExec = 1;
  long fd = syscall(SYS_memfd_create, name.c_str(), kCloseOnExec);
  return fd < 0 ? -errno : static_cast<int>(fd);
#else
  // FreeBSD has them too, but without /proc nobody would find it.
  (void)name;
  return -ENOSYS;
#endif
}

}  // namespace sys
