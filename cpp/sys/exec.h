// execve(2) in place of this program. Main thread only.
#pragma once

#include <string>
#include <vector>

namespace sys {

// Replaces the program of this process, which stays the same one: pid, parent, session. 0, 1, 2 and
// those in `keep` stay open, all else is closed that is close-on-exec: libuv makes even 0, 1 and 2
// that when Node starts (uv_disable_stdio_inheritance()). 0, 1 and 2 are blocking ones again, and a
// terminal has the mode that Node found. With `resetSignals` nothing is blocked, and nothing
// ignored but what IgnoreSignal() ignores. Returns -errno only, and all is as before then. Without
// `ownEnvironment` the new program has the environment as it is, byte by byte.
int Exec(const std::string& path, const std::vector<std::string>& argv, bool ownEnvironment,
         const std::vector<std::string>& environment, const std::vector<int>& keep,
         bool resetSignals);

// Makes each of `sources` a descriptor from `first` on, in their order, whatever was there; a
// program that had some of these numbers, as the event loop has, can only end or execute another
// one then. 0, or -errno.
int PlaceDescriptors(const std::vector<int>& sources, int first);

}  // namespace sys
