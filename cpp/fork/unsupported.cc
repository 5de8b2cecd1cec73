// Live fork where it has not been made: the same functions, which say so.
#include <sys/utsname.h>

#include <cerrno>
#include <cstdio>

#include "fork/fork.h"

namespace livefork {
namespace {

// "live fork is not made for FreeBSD on arm64": asked of the kernel, so that one file serves all.
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

// Nobody can see whether the other threads wait.
bool AwaitQuiescence(uint64_t) {
  return false;
}

size_t Obstacles(const char** reasons, size_t room) {
  if (room == 0) return 0;
  reasons[0] = Reason();
  return 1;
}

// There is no child whose threads could have kept their parent's ids.
bool IdsAdopted() {
  return true;
}

// Nor is anything held.
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
