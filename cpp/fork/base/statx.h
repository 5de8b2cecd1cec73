// statx(2) of a descriptor from the kernel's cached data, so that a file system that does not
// answer cannot block.
#pragma once

#include <cstdint>

#include "arch.h"

namespace livefork {

// From linux/stat.h of 4.11: the build machine's libc may lack the struct, or have its own.
struct Statx {
  uint32_t mask, block_size;
  uint64_t attributes;
  uint32_t links, uid, gid;
  uint16_t mode, padding;
  uint64_t inode, size, blocks, attributes_mask;
  uint64_t times[8];
  uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
  uint64_t spare[14];
};
static_assert(sizeof(Statx) == 256, "struct statx");

constexpr unsigned kType = 0x1, kLinks = 0x4, kInode = 0x100,
                   kSize = 0x200;  // STATX_TYPE and so on

inline long Ask(int fd, unsigned mask, Statx& st) {
  constexpr int kEmptyPath = 0x1000;  // AT_EMPTY_PATH
  constexpr int kDontSync = 0x4000;   // AT_STATX_DONT_SYNC
  return Sys(SYS_statx, fd, "", kEmptyPath | kDontSync, mask, &st);
}

}  // namespace livefork
