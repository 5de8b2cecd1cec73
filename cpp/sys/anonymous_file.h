// memfd_create(2).
#pragma once

#include <string>

namespace sys {

// A file outside of any file system, close-on-exec, which /proc/PID/fd shows with this name. Its
// descriptor, or -errno: -ENOSYS if the system has none.
int AnonymousFile(const std::string& name);

}  // namespace sys
