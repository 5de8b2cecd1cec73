// The descriptor table, where a system call tells it: sysctl(3)'s kern.proc.filedesc of FreeBSD.
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

}  // namespace sys
