// The permissions of a Unix domain socket's file.
#pragma once

namespace sys {

// On systems that support it: the file that bind(2) makes has at most these permissions from the
// beginning.
void NarrowNextFile(int fd, int mode);

// Sets the file's permissions to `mode`, unless that is -1, and adds those of `also`. Does not
// follow a symbolic link. 0 or -errno.
int SetSocketMode(const char* path, int mode, int also);

}  // namespace sys
