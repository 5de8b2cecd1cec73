#include <unistd.h>

#include "sys/credentials.h"
#include "sys/result.h"

namespace sys {

// Before 15, and for a program that was linked before 15, the first of the groups becomes the
// effective group. This is only known after a call has changed it; then the effective group is
// passed first.
int Setgroups(const std::vector<unsigned>& groups) {
  const gid_t effective = getegid();
  const int error = Result(setgroups(static_cast<int>(groups.size()), groups.data()));
  if (error < 0 || getegid() == effective) return error;
  std::vector<gid_t> with{effective};
  with.insert(with.end(), groups.begin(), groups.end());
  return Result(setgroups(static_cast<int>(with.size()), with.data()));
}

}  // namespace sys
