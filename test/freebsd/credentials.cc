#include "sys/credentials.h"

#include <algorithm>

#include "children.h"
#include "sys/capabilities.h"
#include "tap.h"

namespace {

constexpr unsigned kNobody = 65534;

std::vector<gid_t> Groups() {
  std::vector<gid_t> groups(1024);
  groups.resize(static_cast<size_t>(std::max(getgroups(1024, groups.data()), 0)));
  return groups;
}

bool In(const std::vector<gid_t>& groups, gid_t group) {
  return std::find(groups.begin(), groups.end(), group) != groups.end();
}

}  // namespace

TEST(Names, "users and groups by name, login group, ENOENT") {
  EQUAL(sys::UserByName("root"), 0);
  EQUAL(sys::UserByName("no-such-user-here"), -ENOENT);
  EQUAL(sys::GroupByName("no-such-group-here"), -ENOENT);
  EQUAL(sys::LoginGroup(0), 0);
  EQUAL(sys::LoginGroup(4123456789U), -ENOENT);
  const auto groups = sys::SupplementaryGroups(0, 0);
  HOLDS(!groups.empty() && groups[0] >= 0);
  EQUAL(sys::SupplementaryGroups(4123456789U, 77).at(0), 77);
}

TEST(Setgroups, "setgroups: these groups, and the effective one stays") {
  tap::NeedRoot();
  const gid_t before = getegid();
  EQUAL(sys::Setgroups({1001, 1002}), 0);
  EQUAL(getegid(), before);
  HOLDS(In(Groups(), 1001) && In(Groups(), 1002));
  EQUAL(sys::Setgroups({}), 0);
  EQUAL(getegid(), before);
  HOLDS(!In(Groups(), 1001) && !In(Groups(), 1002));
}

TEST(Drop, "setresgid, setresuid: all three ids, no capability left, no way back") {
  tap::NeedRoot();
  EQUAL(sys::Setgroups({}), 0);
  EQUAL(sys::Setresgid(kNobody, kNobody, kNobody), 0);
  EQUAL(sys::Setresuid(kNobody, kNobody, kNobody), 0);
  HOLDS(sys::Getresuid() == sys::Ids(kNobody, kNobody, kNobody));
  HOLDS(sys::Getresgid() == sys::Ids(kNobody, kNobody, kNobody));
  EQUAL(sys::HasCapabilities(), 0);
  EQUAL(sys::Setresuid(~0U, 0, ~0U), -EPERM);
  EQUAL(sys::Setresgid(~0U, 0, ~0U), -EPERM);
  EQUAL(sys::Setgroups({0}), -EPERM);
}

TEST(Partly, "setresuid: -1 leaves an id") {
  tap::NeedRoot();
  EQUAL(sys::Setresuid(~0U, kNobody, ~0U), 0);
  HOLDS(sys::Getresuid() == sys::Ids(0, kNobody, 0));
  EQUAL(sys::Setresuid(~0U, 0, ~0U), 0);
}
