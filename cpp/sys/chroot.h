// chroot(2): 0, or -errno.
#pragma once

#include <string>

namespace sys {

int Chroot(const std::string& path);

}  // namespace sys
