#include "sys/credentials.h"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "sys/result.h"

namespace sys {
namespace {

// The reentrant lookups need a buffer, and only ERANGE shows that it is too small: a group with
// thousands of members is larger than the size from sysconf(3). `found` reads the entry while the
// buffer exists.
template <typename Entry, typename Lookup, typename Found>
int64_t Find(Lookup lookup, Found found) {
  std::vector<char> buffer(4096);
  while (true) {
    Entry entry;
    Entry* result = nullptr;
    int error = lookup(&entry, buffer.data(), buffer.size(), &result);
    if (error == ERANGE) {
      buffer.resize(buffer.size() * 2);
    } else if (error != EINTR) {
      // A missing entry is reported as success without a result, or by one of several errnos.
      if (result != nullptr) return found(*result);
      bool absent = error == 0 || error == ESRCH || error == EBADF || error == EPERM;
      return absent ? -ENOENT : -error;
    }
  }
}

template <typename Found>
int64_t FindUser(unsigned uid, Found found) {
  return Find<passwd>([uid](auto... rest) { return getpwuid_r(uid, rest...); }, found);
}

}  // namespace

int64_t UserByName(const std::string& name) {
  return Find<passwd>([&](auto... rest) { return getpwnam_r(name.c_str(), rest...); },
                      [](const passwd& user) { return int64_t{user.pw_uid}; });
}

int64_t GroupByName(const std::string& name) {
  return Find<group>([&](auto... rest) { return getgrnam_r(name.c_str(), rest...); },
                     [](const group& entry) { return int64_t{entry.gr_gid}; });
}

int64_t LoginGroup(unsigned uid) {
  return FindUser(uid, [](const passwd& user) { return int64_t{user.pw_gid}; });
}

User UserEntry(unsigned uid) {
  User entry;
  int64_t error = FindUser(uid, [&entry](const passwd& user) {
    entry = {0, user.pw_name, user.pw_dir, user.pw_shell};
    return int64_t{0};
  });
  std::get<0>(entry) = error;
  return entry;
}

std::vector<int64_t> SupplementaryGroups(unsigned uid, unsigned gid) {
  std::string name;
  int64_t error = FindUser(uid, [&name](const passwd& user) {
    name = user.pw_name;
    return int64_t{0};
  });
  if (error == -ENOENT) return {gid};
  if (error < 0) return {error};

  std::vector<gid_t> groups(64);
  int count = static_cast<int>(groups.size());
  while (getgrouplist(name.c_str(), gid, groups.data(), &count) < 0) {
    // glibc sets count to the needed size; FreeBSD does not, so the buffer grows in any case.
    groups.resize(std::max(groups.size() * 2, static_cast<size_t>(count)));
    count = static_cast<int>(groups.size());
  }
  return {groups.begin(), groups.begin() + count};
}

int Setresuid(unsigned real, unsigned effective, unsigned saved) {
  return Result(setresuid(real, effective, saved));
}

int Setresgid(unsigned real, unsigned effective, unsigned saved) {
  return Result(setresgid(real, effective, saved));
}

// These two fail only for bad addresses.
Ids Getresuid() {
  uid_t real = 0, effective = 0, saved = 0;
  getresuid(&real, &effective, &saved);
  return {real, effective, saved};
}

Ids Getresgid() {
  gid_t real = 0, effective = 0, saved = 0;
  getresgid(&real, &effective, &saved);
  return {real, effective, saved};
}

}  // namespace sys
