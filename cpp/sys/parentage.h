// What prctl(2) of Linux, procctl(2) of FreeBSD, say of parents and children. 0 or the value, or
// -errno.
#pragma once

namespace sys {

// Whether the orphans among the caller's descendants become its children.
int SetChildSubreaper(bool on);
int GetChildSubreaper();

// The signal that the calling thread gets when its parent ends; 0 for none.
int SetParentDeathSignal(int signal);
int GetParentDeathSignal();

}  // namespace sys
