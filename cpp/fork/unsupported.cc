// Live fork on unsupported systems: the same functions, which fail.
#include <sys/utsname.h>

#include <cerrno>
#include <cstdio>

#include "fork/fork.h"

namespace livefork {
namespace {

// "live fork does not support FreeBSD on arm64": from uname(2), so that one file serves all
// systems.
const char* Reason() {
  static char text[128];
  utsname system{};
  if (uname(&system) != 0) return "live fork does not support this system";
  snprintf(text, sizeof text, "live fork does not support %.32s on %.32s", system.sysname,
           system.machine);
  return text;
}

}  // namespace

ForkResult Fork(const ForkRequest&) {
  return {-1, {ENOTSUP, "fork", Reason()}};
}

// It is not known whether the other threads wait.
bool AwaitQuiescence(uint64_t) {
  return false;
}

size_t Obstacles(const char** reasons, size_t room) {
  if (room == 0) return 0;
  reasons[0] = Reason();
  return 1;
}

// There is no child whose threads could keep their parent's ids.
bool IdsAdopted() {
  return true;
}

// No id is kept.
bool AdoptIds(uint64_t) {
  return true;
}

void BeginChange() {}

void EndChange() {}

void AdoptCallerId() {}

int FollowCaller(uint64_t) {
  return 0;
}

int ForbidNewPrivileges(uint64_t) {
  return -ENOSYS;
}

void ReleaseHeld() {}

}  // namespace livefork
