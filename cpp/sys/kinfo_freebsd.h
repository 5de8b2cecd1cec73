// FreeBSD's list of a process's descriptors, record by record.
#pragma once

#include <sys/types.h>
// Needed by user.h, in this order.
#include <sys/param.h>
#include <sys/socket.h>
#include <sys/sysctl.h>
#include <sys/user.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

namespace sys {

// The list, or the negative errno. Not by kinfo_getfile(3): libutil's version is 9 in FreeBSD 14
// and 10 in 15, and an addon linked with one does not load with the other.
inline int ReadDescriptors(int pid, std::vector<char>& list) {
  int name[] = {CTL_KERN, KERN_PROC, KERN_PROC_FILEDESC, pid};
  for (;;) {
    size_t size = 0;
    if (sysctl(name, 4, nullptr, &size, nullptr, 0) != 0) return -errno;
    // Room for descriptors that are opened in the meantime.
    list.resize(size + size / 3 + sizeof(kinfo_file));
    size = list.size();
    if (sysctl(name, 4, list.data(), &size, nullptr, 0) == 0) {
      list.resize(size);
      return 0;
    }
    if (errno != ENOMEM) return -errno;
  }
}

// Calls f with each record of a list. A record is truncated after its path, so only the text of
// kf_path may be read.
template <typename F>
void EachRecord(const char* list, size_t size, F f) {
  for (size_t at = 0; at < size;) {
    const auto& file = *reinterpret_cast<const kinfo_file*>(list + at);
    if (file.kf_structsize <= 0) break;
    f(file);
    at += static_cast<size_t>(file.kf_structsize);
  }
}

// Calls f with each descriptor's record. Returns 0, or -errno.
template <typename F>
int EachDescriptor(int pid, F f) {
  std::vector<char> list;
  if (const int error = ReadDescriptors(pid, list)) return error;
  EachRecord(list.data(), list.size(), f);
  return 0;
}

}  // namespace sys
