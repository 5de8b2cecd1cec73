// The permissions of a Unix domain socket's file.
#pragma once

namespace sys {

// Where the system has it so: the file that bind(2) makes has no permissions beyond these, from the
// first moment on.
void NarrowNextFile(int fd, int mode);

// Sets the file's permissions to `mode`, or leaves them as they are if that is -1, and adds those
// of `also`. A symbolic link in its place is not followed. 0 or -errno.
int SetSocketMode(const char* path, int mode, int also);

}  // namespace sys
