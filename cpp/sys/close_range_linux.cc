#include <fcntl.h>
#include <linux/magic.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdint>
#include <cstdlib>

#include "sys/fd.h"
#include "sys/result.h"

namespace sys {

namespace {

// By number, the same on every architecture: glibc has the function from 2.34 on, musl not yet.
constexpr long kSysCloseRange = 436;
constexpr unsigned kCloseRangeCloexec = 4;

// The record of getdents64(2), which no libc declares. opendir(3) would allocate, which a fresh
// fork of a process with threads must not do.
struct Entry {
  uint64_t ino;
  int64_t off;
  uint16_t reclen;
  uint8_t type;
  char name[1];
};

struct Range {
  unsigned first;
  unsigned last;
  bool cloexec;
};

// The descriptor of "7", or -1 for "." and "..".
int Number(const char* name) {
  if (*name == '.') return -1;
  int number = 0;
  for (; *name != '\0'; ++name) number = number * 10 + (*name - '0');
  return number;
}

// Closing while reading is safe: procfs continues from the last number, not from a list.
int Walk(int directory, const Range& range) {
  alignas(Entry) char buffer[4096];
  long size;
  while ((size = syscall(SYS_getdents64, directory, buffer, sizeof buffer)) > 0) {
    for (long at = 0; at < size;) {
      const auto* entry = reinterpret_cast<const Entry*>(buffer + at);
      at += entry->reclen;
      const int fd = Number(entry->name);
      if (fd < 0 || fd == directory) continue;
      const auto number = static_cast<unsigned>(fd);
      if (number >= range.first && number <= range.last) CloseOne(fd, range.cloexec);
    }
  }
  return size < 0 ? -errno : 0;
}

}  // namespace

int CloseRangeCall(unsigned first, unsigned last, bool cloexec) {
  const unsigned flags = cloexec ? kCloseRangeCloexec : 0;
  return static_cast<int>(Result(syscall(kSysCloseRange, first, last, flags)));
}

int CloseRangeListed(unsigned first, unsigned last, bool cloexec) {
  const int directory = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return -errno;
  struct statfs fs {};
  int result = fstatfs(directory, &fs) == 0 ? 0 : -errno;
  // With an ordinary directory of that name, for example in a chroot, nothing would be closed and
  // no error reported.
  if (result == 0 && fs.f_type != PROC_SUPER_MAGIC) result = -ENOENT;
  if (result == 0) result = Walk(directory, {first, last, cloexec});
  close(directory);
  return result;
}

}  // namespace sys
