#include "sys/chroot.h"

#include <unistd.h>

#include "sys/result.h"

namespace sys {

int Chroot(const std::string& path) {
  return Result(chroot(path.c_str()));
}

}  // namespace sys
