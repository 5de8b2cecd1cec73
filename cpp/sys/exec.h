// execv(3) in place of this program, with descriptors at numbers that it chooses.
#pragma once

#include <string>
#include <vector>

namespace sys {

// Replaces the program of this process, which stays the same one: pid, parent, session. Those in
// `keep` stay open, and each of `sources` becomes a descriptor from `first` on, in their order; all
// else is closed that is close-on-exec, as libuv makes even 0, 1 and 2 when Node starts
// (uv_disable_stdio_inheritance()). Returns -errno; the numbers from `first` on may then lead to
// other files than before, so that a program that had some of them, as the event loop has, can only
// end.
int Exec(const std::string& program, const std::vector<std::string>& argv,
         const std::vector<int>& keep, const std::vector<int>& sources, int first);

}  // namespace sys
