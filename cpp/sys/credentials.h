// User and group ids: setgroups(2), setresuid(2), setresgid(2); the user and group databases.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

namespace sys {

// getpwnam(3), getgrnam(3), getgrouplist(3): an id, or -ENOENT for an unknown name, or another
// -errno.

int64_t UserByName(const std::string& name);
int64_t GroupByName(const std::string& name);

// The login group of a user id.
int64_t LoginGroup(unsigned uid);

// Login name, home directory and shell of a user id, after 0 or -errno.
using User = std::tuple<int64_t, std::string, std::string, std::string>;
User UserEntry(unsigned uid);

// The groups that initgroups(3) would set for the user: `gid` and every group that lists the user.
// A uid without a name has no other groups. A single negative element is -errno.
std::vector<int64_t> SupplementaryGroups(unsigned uid, unsigned gid);

// For all threads of the process, as POSIX requires: libc does this, the kernel's calls do not. -1
// leaves an id unchanged. 0, or -errno.
int Setgroups(const std::vector<unsigned>& groups);
int Setresuid(unsigned real, unsigned effective, unsigned saved);
int Setresgid(unsigned real, unsigned effective, unsigned saved);

// Real, effective, saved.
using Ids = std::tuple<int64_t, int64_t, int64_t>;
Ids Getresuid();
Ids Getresgid();

}  // namespace sys
