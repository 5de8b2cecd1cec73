#include <fcntl.h>
#include <sys/event.h>
#include <unistd.h>

#include <cerrno>

#include "sys/process.h"
#include "sys/result.h"

namespace sys {

// FreeBSD has process descriptors only for children of pdfork(2).
int PidfdOpen(int) {
  return -ENOSYS;
}
int PidfdSendSignal(int, int) {
  return -ENOSYS;
}

// A kqueue can be polled like any descriptor, and this one has a single event, which the kernel
// keeps. For a process that has already ended it fires at once (filt_procattach, zpfind). A fork
// does not inherit kqueues, and does not need this one: it must not wait for its parent's children.
int ExitDescriptor(int pid) {
  const int queue = kqueue();
  if (queue < 0) return -errno;
  // kqueue1(2), which does this in one call, is newer than 14.0.
  fcntl(queue, F_SETFD, FD_CLOEXEC);
  struct kevent event;
  EV_SET(&event, pid, EVFILT_PROC, EV_ADD | EV_ONESHOT, NOTE_EXIT, 0, nullptr);
  if (kevent(queue, &event, 1, nullptr, 0, nullptr) == 0) return queue;
  const int error = errno;
  close(queue);
  return -error;
}

}  // namespace sys
