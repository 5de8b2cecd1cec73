#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>

#include "sys/descriptor_list.h"
#include "sys/kinfo_freebsd.h"

namespace sys {
namespace {

// lib/system/system.ts has the same names. The type of a vnode is found by fstat(2). Types later
// than 14.0 are "other", because this must compile with the headers of 14.0.
const char* KindOf(int type) {
  switch (type) {
    case KF_TYPE_VNODE:
    case KF_TYPE_FIFO:
    case KF_TYPE_DEV:
      return "";
    case KF_TYPE_SOCKET:
      return "socket";
    case KF_TYPE_PIPE:
      return "pipe";
    case KF_TYPE_PTS:
      return "tty";
    case KF_TYPE_KQUEUE:
      return "kqueue";
    case KF_TYPE_SHM:
      return "memfd";
    case KF_TYPE_PROCDESC:
      return "pidfd";
    case KF_TYPE_EVENTFD:
      return "eventfd";
    case KF_TYPE_TIMERFD:
      return "timerfd";
    default:
      return "other";
  }
}

std::string Named(const char* kind, uint64_t address) {
  char text[64];
  snprintf(text, sizeof text, "%s:[%" PRIx64 "]", kind, address);
  return text;
}

// The name in the form of Linux's /proc: both ends of a pipe have one name, and a file its path, if
// the kernel knows it.
std::string NameOf(const kinfo_file& file) {
  if (file.kf_path[0] != '\0') return file.kf_path;
  switch (file.kf_type) {
    case KF_TYPE_PIPE:
      return Named("pipe",
                   std::min(file.kf_un.kf_pipe.kf_pipe_addr, file.kf_un.kf_pipe.kf_pipe_peer));
    case KF_TYPE_SOCKET:
      return Named("socket", file.kf_un.kf_sock.kf_sock_pcb);
    case KF_TYPE_VNODE:
    case KF_TYPE_FIFO:
      return Named("file", file.kf_un.kf_file.kf_file_fileid);
    default: {
      const char* kind = KindOf(file.kf_type);
      return Named(*kind == '\0' ? "device" : kind, 0);
    }
  }
}

// Both ends of a pipe can be read and written on FreeBSD, and the system does not show which one
// pipe(2) returned first. It only matters that they differ, so the end with the lower address
// counts as the reading end.
int AccessOf(const kinfo_file& file) {
  if (file.kf_type == KF_TYPE_PIPE) {
    return file.kf_un.kf_pipe.kf_pipe_addr < file.kf_un.kf_pipe.kf_pipe_peer ? 1 : 2;
  }
  return ((file.kf_flags & KF_FLAG_READ) != 0 ? 1 : 0) +
         ((file.kf_flags & KF_FLAG_WRITE) != 0 ? 2 : 0);
}

}  // namespace

std::vector<OpenFile> FileDescriptors(int pid) {
  std::vector<OpenFile> files;
  const int error = EachDescriptor(pid, [&](const kinfo_file& file) {
    if (file.kf_fd < 0) return;
    files.emplace_back(file.kf_fd, KindOf(file.kf_type), NameOf(file), AccessOf(file));
  });
  if (error < 0) return {{error, {}, {}, 0}};
  return files;
}

int SameOpenFile(int, int, int) {
  return -ENOSYS;
}

}  // namespace sys
