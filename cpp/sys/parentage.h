// Parents and children: prctl(2) of Linux, procctl(2) of FreeBSD. 0 or the value, or -errno.
#pragma once

namespace sys {

// Whether orphaned descendants of the caller become its children.
int SetChildSubreaper(bool on);
int GetChildSubreaper();

// The signal that the calling thread gets when its parent ends; 0 for none.
int SetParentDeathSignal(int signal);
int GetParentDeathSignal();

}  // namespace sys
