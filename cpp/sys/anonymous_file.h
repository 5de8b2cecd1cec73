// memfd_create(2).
#pragma once

#include <string>

namespace sys {

// A file without a place in the file system, close-on-exec, which /proc/PID/fd shows by this name.
// Its descriptor, or -errno: -ENOSYS where there are none.
int AnonymousFile(const std::string& name);

}  // namespace sys
