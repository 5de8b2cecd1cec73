// The watches of an inotify instance, from the kernel's data in /proc/self/fdinfo. stat(2) returns
// another device on overlayfs and btrfs, and may involve a file server.
#pragma once

#include <cstdint>
#include <cstring>

#include "fork/base/procfs.h"

namespace livefork {

// The file of a watch. The watch pins the inode, but inode number and superblock device do not
// distinguish subvolumes of btrfs or layers of overlayfs; the file handle does.
struct File {
  uint64_t inode;
  uint32_t device;     // the kernel's own dev_t: major << 20 | minor
  const char* handle;  // "fhandle-bytes:8 fhandle-type:1 f_handle:0b...", or "" if there is none
};

inline bool SameFile(const File& a, const File& b) {
  return a.inode == b.inode && a.device == b.device && strcmp(a.handle, b.handle) == 0;
}

struct Mark {
  int wd;
  uint32_t mask;
  File file;  // the handle is valid until the next mark
};

// Reads "wd:2 ino:46f sdev:fe00000 mask:fc6 ignored_mask:0 fhandle-bytes:8 ...".
Mark ParseMark(const char* line);

// Opens /proc/self/<folder>/<fd>.
long OpenOfSelf(const char* folder, int fd);

// Calls f(const Mark&) for each watch of the instance at fd, the newest first. Returns 0 or -errno.
template <typename F>
long EachMark(int fd, F f) {
  Fd info(OpenOfSelf("fdinfo/", fd));
  if (info.get() < 0) return info.get();
  Lines lines(info.get());
  while (const char* line = lines.Next()) {
    if (Skip(line, "inotify wd:")) f(ParseMark(line));
  }
  return lines.error();
}

// "/proc/self/fd/<fd>": the open file itself, wherever it is.
struct OpenFile {
  explicit OpenFile(int fd);
  char path[32];
};

}  // namespace livefork
