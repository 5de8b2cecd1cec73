#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/capabilities.h"
#include "sys/result.h"

namespace sys {
namespace {

// Not by libcap: it would be a dependency.
struct Capabilities {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};

  int Read() { return static_cast<int>(Result(syscall(SYS_capget, &header, sets))); }
  int Write() { return static_cast<int>(Result(syscall(SYS_capset, &header, sets))); }
};

}  // namespace

int HasCapabilities() {
  Capabilities own;
  if (int error = own.Read(); error < 0) return error;
  return (own.sets[0].permitted | own.sets[1].permitted) != 0;
}

int SetNoNewPrivileges() {
  Capabilities own;
  if (int error = own.Read(); error < 0) return error;
  for (auto& set : own.sets) set.inheritable = 0;
  if (int error = own.Write(); error < 0) return error;
  return Result(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

}  // namespace sys
