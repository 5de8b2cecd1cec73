#include <sys/types.h>
// rlim_t's types come first.
#include <sys/resource.h>

#include "sys/rlimit.h"

namespace sys {

std::vector<std::tuple<std::string, int>> RlimitResources() {
  return {
      {"AS", RLIMIT_AS},           {"CORE", RLIMIT_CORE},     {"CPU", RLIMIT_CPU},
      {"DATA", RLIMIT_DATA},       {"FSIZE", RLIMIT_FSIZE},   {"KQUEUES", RLIMIT_KQUEUES},
      {"MEMLOCK", RLIMIT_MEMLOCK}, {"NOFILE", RLIMIT_NOFILE}, {"NPROC", RLIMIT_NPROC},
      {"NPTS", RLIMIT_NPTS},       {"RSS", RLIMIT_RSS},       {"SBSIZE", RLIMIT_SBSIZE},
      {"STACK", RLIMIT_STACK},     {"SWAP", RLIMIT_SWAP},     {"UMTXP", RLIMIT_UMTXP},
  };
}

}  // namespace sys
