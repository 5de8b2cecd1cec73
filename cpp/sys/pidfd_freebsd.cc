#include <fcntl.h>
#include <sys/event.h>
#include <unistd.h>

#include <cerrno>

#include "sys/process.h"
#include "sys/result.h"

namespace sys {

// FreeBSD has process descriptors for the children of pdfork(2) only.
int PidfdOpen(int) {
  return -ENOSYS;
}
int PidfdSendSignal(int, int) {
  return -ENOSYS;
}

// A kqueue can be waited for like any descriptor, and this one has a single event ahead, kept by
// the kernel until then. A process that has already ended fires at once (filt_procattach, zpfind).
// A fork does not inherit kqueues, which suits: a child has no business with its parent's children.
int ExitDescriptor(int pid) {
  const int queue = kqueue();
  if (queue < 0) return -errno;
  // kqueue1(2), which does it in one, is younger than 14.0.
  fcntl(queue, F_SETFD, FD_CLOEXEC);
  struct kevent event;
  EV_SET(&event, pid, EVFILT_PROC, EV_ADD | EV_ONESHOT, NOTE_EXIT, 0, nullptr);
  if (kevent(queue, &event, 1, nullptr, 0, nullptr) == 0) return queue;
  const int error = errno;
  close(queue);
  return -error;
}

}  // namespace sys
