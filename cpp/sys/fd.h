// dup(2), dup2(2), getdtablesize(3), close_range(2). Each returns its value, or -errno.
#pragma once

namespace sys {

int Dup(int fd);
int Dup2(int oldfd, int newfd);
int Getdtablesize();
int CloseOnExec(int fd);  // fcntl(F_GETFD): 0 or 1
int AccessMode(int fd);   // fcntl(F_GETFL): O_RDONLY, O_WRONLY or O_RDWR

// How CloseRange() goes about it; tests force one, everybody else says kAny.
enum CloseMethod { kAny, kCloseRange, kListed, kLoop };

// Closes the descriptors first..last, or sets their close-on-exec flag. The first method that the
// system has is used; a method forced on it gives that method's error.
int CloseRange(unsigned first, unsigned last, bool cloexec, int method);

// The parts of CloseRange() that differ between systems: by the call, -ENOSYS or -EINVAL where it
// is too old, and by the system's own list of the descriptors.
int CloseRangeCall(unsigned first, unsigned last, bool cloexec);
int CloseRangeListed(unsigned first, unsigned last, bool cloexec);

// Closes one descriptor, or sets its close-on-exec flag; a hole in the range is no error.
void CloseOne(int fd, bool cloexec);

}  // namespace sys
