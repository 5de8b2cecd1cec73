#include <sys/procctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/parentage.h"
#include "sys/result.h"

namespace sys {
namespace {

int Control(int command, void* data) {
  return Result(procctl(P_PID, getpid(), command, data));
}

}  // namespace

// Unlike on Linux, a repeated call is an error here: EBUSY if the process is already a reaper,
// EINVAL if it is not one.
int SetChildSubreaper(bool on) {
  const int error = Control(on ? PROC_REAP_ACQUIRE : PROC_REAP_RELEASE, nullptr);
  return error == (on ? -EBUSY : -EINVAL) ? 0 : error;
}

int GetChildSubreaper() {
  procctl_reaper_status status{};
  const int error = Control(PROC_REAP_STATUS, &status);
  return error < 0 ? error : (status.rs_flags & REAPER_STATUS_OWNED) != 0;
}

int SetParentDeathSignal(int signal) {
  return Control(PROC_PDEATHSIG_CTL, &signal);
}

int GetParentDeathSignal() {
  int signal = 0;
  const int error = Control(PROC_PDEATHSIG_STATUS, &signal);
  return error < 0 ? error : signal;
}

}  // namespace sys
