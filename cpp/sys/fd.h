// dup(2), dup2(2), getdtablesize(3), close_range(2). Each returns its value, or -errno.
#pragma once

namespace sys {

int Dup(int fd);
int Dup2(int oldfd, int newfd);
int Getdtablesize();
int CloseOnExec(int fd);  // fcntl(F_GETFD): 0 or 1
int AccessMode(int fd);   // fcntl(F_GETFL): O_RDONLY, O_WRONLY or O_RDWR

// The method of CloseRange(). Only tests force one; all others use kAny.
enum CloseMethod { kAny, kCloseRange, kListed, kLoop };

// Closes the descriptors first..last, or sets their close-on-exec flag. Uses the first method that
// works; a forced method returns its error.
int CloseRange(unsigned first, unsigned last, bool cloexec, int method);

// The parts of CloseRange() that depend on the system: by the call, with -ENOSYS or -EINVAL if the
// kernel is too old, and by the system's list of descriptors.
int CloseRangeCall(unsigned first, unsigned last, bool cloexec);
int CloseRangeListed(unsigned first, unsigned last, bool cloexec);

// Closes one descriptor, or sets its close-on-exec flag; an unused number is not an error.
void CloseOne(int fd, bool cloexec);

}  // namespace sys
