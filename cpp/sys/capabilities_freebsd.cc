#include <sys/procctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/capabilities.h"
#include "sys/result.h"

namespace sys {

// On FreeBSD only the user id makes the superuser. Its own "capabilities" (capsicum(4)) are rights
// of descriptors and give no privilege.
int HasCapabilities() {
  return 0;
}

// For the process, not for a thread: procctl(2), from 14.0 on.
int SetNoNewPrivileges() {
  int on = PROC_NO_NEW_PRIVS_ENABLE;
  return Result(procctl(P_PID, getpid(), PROC_NO_NEW_PRIVS_CTL, &on));
}

}  // namespace sys
