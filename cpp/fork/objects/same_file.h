// Finds the file of a watch whose path leads elsewhere now.
#pragma once

#include "fork/base/arena.h"
#include "fork/objects/marks.h"

namespace livefork {

class SameFileFinder {
 public:
  explicit SameFileFinder(Arena& arena) : arena_(arena) {}

  // A descriptor of the same file: by its path from the directory where the program started, by its
  // handle, which only root may open, or a duplicate of an open one. The caller closes it. -errno
  // if there is none.
  long Find(const File& file, const char* path);

 private:
  // A directory on the file system of a device, which open_by_handle_at(2) needs.
  struct Mount {
    uint32_t device;
    int fd;
  };
  struct Candidate {
    uint64_t inode;
    int fd;
  };

  bool Matches(int fd, const File& file);
  long IfSame(long fd, const File& file);
  long ByStart(const File& file, const char* path);
  long ByHandle(const File& file);
  long OpenHandle(int mount, const File& file);
  int MountOf(uint32_t device);
  void ListOpenFiles();

  Arena& arena_;
  Fd probe_;  // an inotify instance: the kernel's data about a watch in it identifies the file
  bool may_open_handles_ = true;
  static constexpr int kMounts = 4;
  Mount mounts_[kMounts];
  int mount_count_ = 0;
  Fd mount_fds_[kMounts];
  Candidate* open_files_ = nullptr;
  size_t open_count_ = 0;
  bool listed_ = false;
};

}  // namespace livefork
