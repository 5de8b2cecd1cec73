// setsid(2), getsid(2), setpgid(2), getpgid(2). Each returns the call's value, or -errno.
#pragma once

namespace sys {

int Setsid();
int Getsid(int pid);
int Setpgid(int pid, int pgid);
int Getpgid(int pid);

}  // namespace sys
