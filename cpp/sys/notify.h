// Messages of a service to its manager, sd_notify(3), one datagram each. Each function returns its
// value, or -errno.
#pragma once

#include <string>
#include <vector>

namespace sys {

// A close-on-exec socket connected to NOTIFY_SOCKET's address, a path or `@` and an abstract name.
// Because it is connected, it works after a chroot too. -EAFNOSUPPORT for an address of another
// kind, -ENAMETOOLONG for an address that does not fit into sockaddr_un.
int NotifyOpen(const std::string& address);

// Sends a message with descriptors, with the credentials of the process `pid`, or of this one if
// that is 0 or the kernel does not allow it. If the manager does not read, it waits, then returns
// -EAGAIN.
int NotifySend(int fd, const std::string& message, const std::vector<int>& fds, int pid);

// Reports that the service is ready, and that process `pid` is its main process from now on; also
// by its pidfd, if the kernel has pidfds (systemd 257). Allocates no memory and takes no lock.
int NotifyReady(int fd, int pid);

// Sends BARRIER=1 with one end of a pipe and returns the other, which hangs up when the manager has
// processed all earlier messages.
int NotifyBarrier(int fd);

// Reports a child as the main process, and the child then reports the caller. systemd checks only a
// new main process for being its child, and ends one that is not with SIGKILL, without waiting.
// Returns the child's pid; the caller must wait for it.
int NotifyAnew(int fd);

}  // namespace sys
