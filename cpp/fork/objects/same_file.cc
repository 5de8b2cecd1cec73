#include "fork/objects/same_file.h"

#include <sys/inotify.h>

#include <algorithm>
#include <cerrno>

#include "fork/base/sort.h"
#include "fork/base/statx.h"

namespace livefork {
namespace {

// The working directory when the addon was loaded. A daemon changes it, and relative paths then
// lead elsewhere. getcwd(2) uses the kernel's cached data and involves no file system.
struct Directory {
  Directory() { length = Sys(SYS_getcwd, path, sizeof path) - 1; }
  char path[4096];
  long length;
};
const Directory start;

struct Handle {  // struct file_handle, which libc declares only for GNU C++
  uint32_t bytes;
  int32_t type;
  unsigned char data[128];  // MAX_HANDLE_SZ
};

// From "fhandle-bytes:8 fhandle-type:1 f_handle:0b00...", all of it hexadecimal.
bool Parse(const char* text, Handle& handle) {
  if (!Skip(text, "fhandle-bytes:")) return false;
  handle.bytes = static_cast<uint32_t>(Number(text, 16));
  if (!Skip(text, " fhandle-type:")) return false;
  handle.type = static_cast<int32_t>(Number(text, 16));
  if (!Skip(text, " f_handle:") || handle.bytes > sizeof handle.data) return false;
  for (uint32_t i = 0; i < handle.bytes; ++i) {
    if (text[0] == '\0' || text[1] == '\0') return false;
    const char digits[] = {text[0], text[1], '\0'};
    const char* at = digits;
    handle.data[i] = static_cast<unsigned char>(Number(at, 16));
    text += 2;
  }
  return true;
}

// mountinfo writes blanks and backslashes of a path as \040.
void Unescape(const char* text, char* out, size_t room) {
  for (const char* end = out + room - 1; *text != ' ' && *text != '\0' && out < end; ++text) {
    char c = *text;
    if (c == '\\' && text[1] != '\0' && text[2] != '\0' && text[3] != '\0') {
      c = static_cast<char>((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
      text += 3;
    }
    *out++ = c;
  }
  *out = '\0';
}

// Opens the mount point of a line of mountinfo, "36 35 98:0 /mnt1 /mnt2 rw,noatime ...", if it has
// this device; otherwise returns -1.
long OpenMountPoint(const char* line, uint32_t device) {
  Number(line, 10);
  Number(line, 10);
  const uint64_t major = Number(line, 10);
  if (!Skip(line, ":") || (major << 20 | Number(line, 10)) != device) return -1;
  const char* root_end = line[0] == ' ' ? strchr(line + 1, ' ') : nullptr;
  if (root_end == nullptr) return -1;
  char path[4096];
  Unescape(root_end + 1, path, sizeof path);
  return Open(path, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
}

}  // namespace

bool SameFileFinder::Matches(int fd, const File& file) {
  if (probe_.get() < 0) probe_.Reset(Sys(SYS_inotify_init1, O_CLOEXEC | O_NONBLOCK));
  const long wd = Sys(SYS_inotify_add_watch, probe_.get(), OpenFile(fd).path, IN_IGNORED);
  if (wd < 0) return false;
  bool same = false;
  EachMark(probe_.get(), [&](const Mark& mark) { same = SameFile(mark.file, file); });
  Sys(SYS_inotify_rm_watch, probe_.get(), wd);
  return same;
}

long SameFileFinder::IfSame(long fd, const File& file) {
  if (fd < 0 || Matches(static_cast<int>(fd), file)) return fd;
  Sys(SYS_close, fd);
  return -ESTALE;
}

long SameFileFinder::ByStart(const File& file, const char* path) {
  char whole[sizeof start.path * 2];
  const size_t size = strlen(path) + 1;
  if (path[0] == '/' || start.length <= 0 || size >= sizeof start.path) return -ENOENT;
  memcpy(whole, start.path, static_cast<size_t>(start.length));
  whole[start.length] = '/';
  memcpy(whole + start.length + 1, path, size);
  return IfSame(Open(whole, O_PATH), file);
}

long SameFileFinder::OpenHandle(int mount, const File& file) {
  Handle handle{};
  if (!Parse(file.handle, handle)) return -EOPNOTSUPP;
  const long fd = Sys(SYS_open_by_handle_at, mount, &handle, O_PATH | O_CLOEXEC);
  if (fd == -EPERM || fd == -ENOSYS) may_open_handles_ = false;
  return IfSame(fd, file);
}

// /proc lists the mounts below the root. In a chroot inside of a file system only the root and the
// working directory are on it.
long SameFileFinder::ByHandle(const File& file) {
  long fd = -ESTALE;
  if (const int mount = MountOf(file.device); mount >= 0) fd = OpenHandle(mount, file);
  if (fd < 0 && may_open_handles_) {
    Fd root(Open("/", O_RDONLY | O_DIRECTORY));
    fd = OpenHandle(root.get(), file);
  }
  if (fd < 0 && may_open_handles_) fd = OpenHandle(AT_FDCWD, file);
  return fd;
}

int SameFileFinder::MountOf(uint32_t device) {
  for (int i = 0; i < mount_count_; ++i) {
    if (mounts_[i].device == device) return mounts_[i].fd;
  }
  if (mount_count_ == kMounts) return -1;
  Fd& fd = mount_fds_[mount_count_];
  if (Fd list(Open("/proc/self/mountinfo")); list.get() >= 0) {
    Lines lines(list.get());
    while (const char* line = fd.get() < 0 ? lines.Next() : nullptr) {
      fd.Reset(OpenMountPoint(line, device));
    }
  }
  mounts_[mount_count_++] = {device, fd.get()};
  return fd.get();
}

// Finds candidates by inode number; only the probe decides.
void SameFileFinder::ListOpenFiles() {
  listed_ = true;
  Fd folder(Open("/proc/self/fd", O_RDONLY | O_DIRECTORY));
  if (folder.get() < 0) return;
  size_t room = 0;
  EachNumber(folder.get(), [&room](int) { return ++room > 0; });
  open_files_ = arena_.Take<Candidate>(room);
  if (open_files_ == nullptr) return;
  EachNumber(folder.get(), [&](int fd) {
    Statx info{};
    if (Ask(fd, kInode, info) == 0) open_files_[open_count_++] = {info.inode, fd};
    return open_count_ < room;
  });
  Sort(open_files_, open_files_ + open_count_,
       [](const Candidate& a, const Candidate& b) { return a.inode < b.inode; });
}

long SameFileFinder::Find(const File& file, const char* path) {
  long fd = ByStart(file, path);
  if (fd < 0 && may_open_handles_) fd = ByHandle(file);
  if (fd >= 0) return fd;
  if (!listed_) ListOpenFiles();
  Candidate* end = open_files_ + open_count_;
  Candidate* at = std::lower_bound(
      open_files_, end, file.inode,
      [](const Candidate& candidate, uint64_t inode) { return candidate.inode < inode; });
  for (; at != end && at->inode == file.inode; ++at) {
    if (Matches(at->fd, file)) return Sys(SYS_fcntl, at->fd, F_DUPFD_CLOEXEC, 0);
  }
  return fd;
}

}  // namespace livefork
