#include <sys/syscall.h>
#include <unistd.h>

#include "sys/process.h"
#include "sys/result.h"

namespace sys {

// By number, the same on every architecture: glibc has the function from 2.36 on, musl not yet.
constexpr long kSysPidfdOpen = 434;

int PidfdOpen(int pid) {
  return static_cast<int>(Result(syscall(kSysPidfdOpen, pid, 0)));
}

}  // namespace sys
