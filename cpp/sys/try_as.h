// Whether a file could be opened later, by who the process is then.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace sys {

// What opening an absolute path will say in this root directory, to this user (-1: the present
// one), group and supplementary groups: 0, or -errno. Flags of -1: only whether the way is open. A
// file that is not there must be possible to make; none is made. A child that does it and ends
// finds out, and leaves no trace: no SIGCHLD, and no change in this process. -errno of that child's
// making too.
int TryOpenAs(const std::string& path, int flags, const std::string& root, int64_t uid, int64_t gid,
              const std::vector<unsigned>& groups);

// Of each system: a child without a signal at its end, which has only this thread and may use
// nothing that another one could hold (malloc); the wait for it; and the ids of one thread, whose
// groups stay where they may not be changed (who is in them already needs no privileges).
pid_t QuietFork();
int QuietWait(pid_t child, int* status);
int BecomeAlone(uid_t uid, gid_t gid, const unsigned* groups, size_t count);

}  // namespace sys
