// Checks whether the process can open a file later, with its new user and root directory.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace sys {

// The result of opening an absolute path in this root directory, with this user (-1: the present
// one), group and supplementary groups: 0, or -errno. Flags of -1: only checks the directories of
// the path. If the file does not exist, it must be possible to make it; it is not made. A child
// does this and exits, without SIGCHLD and without any change in this process. Also returns -errno
// if the child cannot be made.
int TryOpenAs(const std::string& path, int flags, const std::string& root, int64_t uid, int64_t gid,
              const std::vector<unsigned>& groups);

// System-specific: a child without a signal at its end, which has only this thread and must not use
// anything that another thread could hold (malloc); the wait for it; and a change of ids for one
// thread. Groups stay unchanged if they are already set, which needs no privileges.
pid_t QuietFork();
int QuietWait(pid_t child, int* status);
int BecomeAlone(uid_t uid, gid_t gid, const unsigned* groups, size_t count);

}  // namespace sys
