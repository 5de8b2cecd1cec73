// The user and group databases: getpwnam(3), getgrnam(3), getgrouplist(3). Each returns an id, or
// -ENOENT for a name the databases do not have, or another -errno.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sys {

int64_t UserByName(const std::string& name);
int64_t GroupByName(const std::string& name);

// The login group of a user id.
int64_t LoginGroup(unsigned uid);

// What initgroups(3) would set for the user: `gid` and every group that lists the user. A uid
// without a name has no other groups. One element that is negative is -errno.
std::vector<int64_t> SupplementaryGroups(unsigned uid, unsigned gid);

}  // namespace sys
