// waitpid(2), pidfd_open(2), pidfd_send_signal(2), _exit(2), getpid(2), getppid(2). Each returns
// its value, or -errno.
#pragma once

#include <sys/resource.h>

namespace sys {

// One change of a child's state.
struct Waited {
  int pid;       // 0: no child has changed; negative: -errno; then nothing else is set
  int exitCode;  // -1 unless the child exited
  int signal;    // the signal that ended or stopped it, or 0
  bool stopped;
  bool continued;
  bool coreDumped;
  rusage usage;
};

Waited Waitpid(int pid, bool noHang, bool untraced, bool continued);

// A close-on-exec descriptor that is readable once the process has ended; -ENOSYS if the system has
// none.
int PidfdOpen(int pid);
// A close-on-exec descriptor that becomes readable when the process ends.
int ExitDescriptor(int pid);
int PidfdSendSignal(int pidfd, int signal);

[[noreturn]] void Exit(int code);

int Getpid();
int Getppid();

}  // namespace sys
