#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sys/capabilities.h"
#include "sys/result.h"

namespace sys {

// Not by libcap: it would be a dependency.
int HasCapabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  const long error = Result(syscall(SYS_capget, &header, data));
  if (error < 0) return static_cast<int>(error);
  return (data[0].permitted | data[1].permitted) != 0;
}

}  // namespace sys
