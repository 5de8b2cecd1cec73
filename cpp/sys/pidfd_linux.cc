#include <sys/syscall.h>
#include <unistd.h>

#include "sys/process.h"
#include "sys/result.h"

namespace sys {

// By number, the same on every architecture: glibc has the functions from 2.36 on, musl not yet.
constexpr long kSysPidfdSendSignal = 424;
constexpr long kSysPidfdOpen = 434;

int PidfdOpen(int pid) {
  return static_cast<int>(Result(syscall(kSysPidfdOpen, pid, 0)));
}

int ExitDescriptor(int pid) {
  return PidfdOpen(pid);
}

int PidfdSendSignal(int pidfd, int signal) {
  return static_cast<int>(Result(syscall(kSysPidfdSendSignal, pidfd, signal, nullptr, 0)));
}

}  // namespace sys
