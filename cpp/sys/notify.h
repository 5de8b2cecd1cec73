// What a service tells its manager, sd_notify(3): one datagram each. Each returns its value, or
// -errno.
#pragma once

#include <string>
#include <vector>

namespace sys {

// A close-on-exec socket connected to NOTIFY_SOCKET's address, a path or `@` and an abstract name;
// connected, it goes on working after a chroot. -EAFNOSUPPORT for an address of another kind,
// -ENAMETOOLONG for one that does not fit sockaddr_un.
int NotifyOpen(const std::string& address);

// Sends a message with descriptors, as from the process `pid`, or from this one if that is 0 or the
// kernel does not allow it. A manager that does not read makes it wait, and then -EAGAIN.
int NotifySend(int fd, const std::string& message, const std::vector<int>& fds, int pid);

// Says that the service is ready, and that process `pid` is its main one from now on; by its pidfd
// too, where the kernel has that (systemd 257). Takes no memory and no lock.
int NotifyReady(int fd, int pid);

// Sends BARRIER=1 with one end of a pipe and returns the other, which hangs up when the manager has
// worked through everything that it was sent before.
int NotifyBarrier(int fd);

// Says that a child is the main process, and has that say that the caller is: systemd looks only at
// a main process that is new to it whether that is its child, and ends one that is not by SIGKILL
// without waiting. The child's pid, to be waited for.
int NotifyAnew(int fd);

}  // namespace sys
