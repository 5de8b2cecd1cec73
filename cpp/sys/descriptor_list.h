// The descriptor table, on systems with a call for it: kern.proc.filedesc of FreeBSD's sysctl(3).
// Linux has it in /proc, which lib/ reads.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

namespace sys {

// {descriptor, kind, name, 1 for reading + 2 for writing}. A first descriptor below 0 is -errno.
using OpenFile = std::tuple<int, std::string, std::string, int>;
std::vector<OpenFile> FileDescriptors(int pid);

// Whether a descriptor of this process and one of another refer to the same open file, as after
// fork: 1, 0, or -errno. FreeBSD: -ENOSYS.
int SameOpenFile(int fd, int pid, int theirs);

}  // namespace sys
