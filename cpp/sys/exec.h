// execve(2) in place of this program. Main thread only.
#pragma once

#include <string>
#include <vector>

namespace sys {

// Replaces the program of this process; pid, parent and session stay. 0, 1, 2 and those in `keep`
// stay open; all other close-on-exec descriptors are closed. (libuv makes even 0, 1 and 2
// close-on-exec when Node starts: uv_disable_stdio_inheritance().) 0, 1 and 2 are set to blocking
// mode, and a terminal gets the mode from Node's start. With `resetSignals` no signal is blocked,
// and only those of IgnoreSignal() are ignored. Returns only on failure, with -errno and everything
// unchanged. Without `ownEnvironment` the new program gets the present environment, byte for byte.
int Exec(const std::string& path, const std::vector<std::string>& argv, bool ownEnvironment,
         const std::vector<std::string>& environment, const std::vector<int>& keep,
         bool resetSignals);

// Moves `sources` to the numbers from `first` on, in order, and replaces what was there. If these
// numbers were in use, for example by the event loop, the program can then only exit or execute
// another one. 0, or -errno.
int PlaceDescriptors(const std::vector<int>& sources, int first);

}  // namespace sys
