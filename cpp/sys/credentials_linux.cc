#include <grp.h>

#include "sys/credentials.h"
#include "sys/result.h"

namespace sys {

int Setgroups(const std::vector<unsigned>& groups) {
  return Result(setgroups(groups.size(), groups.data()));
}

}  // namespace sys
