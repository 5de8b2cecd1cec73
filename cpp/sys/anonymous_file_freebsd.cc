#include <cerrno>

#include "sys/anonymous_file.h"

namespace sys {

// FreeBSD has them too (shm_open(2) with SHM_ANON), but without /proc other processes could not
// find one.
int AnonymousFile(const std::string& name) {
  static_cast<void>(name);
  return -ENOSYS;
}

}  // namespace sys
