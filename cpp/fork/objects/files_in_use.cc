#include "fork/objects/files_in_use.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "fork/base/sort.h"
#include "fork/objects/marks.h"
#include "fork/objects/objects.h"

namespace livefork {
namespace {

struct Candidate {
  int fd, status;
  uint64_t inode, position;
  uint64_t mount;
  bool wanted;
  bool shared;  // it stays shared with the parent
};

// Sorts descriptors of one open file together, those of a file by number.
bool Before(const Candidate& a, const Candidate& b) {
  if (a.inode != b.inode) return a.inode < b.inode;
  if (a.position != b.position) return a.position < b.position;
  const long order = CompareFiles(a.fd, b.fd);
  if (order > 0) return order == 1;
  return a.fd < b.fd;
}

bool Same(const Candidate& a, const Candidate& b) {
  return a.inode == b.inode && a.position == b.position && CompareFiles(a.fd, b.fd) == 0;
}

Failure ReadInfo(int fdinfo, Candidate& c) {
  Fd info(OpenNumbered(fdinfo, c.fd));
  if (info.get() < 0) return Check(info.get(), "open");
  Lines lines(info.get());
  while (const char* line = lines.Next()) {
    if (Skip(line, "pos:")) c.position = Number(line, 10);
    if (Skip(line, "mnt_id:")) c.mount = Number(line, 10);
    if (Skip(line, "lock:")) c.shared = true;
  }
  return Check(lines.error(), "read");
}

// Its inode, or 0.
uint64_t FileAt(const Table& table, int fd) {
  FileFacts facts;
  if (AskFile(table.descriptors(), fd, facts) != 0) return 0;
  return S_ISREG(facts.mode) || S_ISDIR(facts.mode) ? facts.inode : 0;
}

// File systems without a device whose open(2) involves only this kernel. On all others without a
// device an NFS or FUSE server that does not answer could block the child.
constexpr const char* kLocal[] = {"overlay", "tmpfs",    "ramfs",   "rootfs", "btrfs",
                                  "zfs",     "bcachefs", "proc",    "sysfs",  "cgroup2",
                                  "cgroup",  "devtmpfs", "debugfs", "aufs",   "tracefs"};

bool IsLocal(const char* type) {
  const size_t length = strcspn(type, " ");
  for (const char* local : kLocal) {
    if (strlen(local) == length && memcmp(local, type, length) == 0) return true;
  }
  return false;
}

// "36 35 98:0 /root /path rw,noatime master:1 - ext4 /dev/root rw": proc_pid_mountinfo(5). A device
// number whose major is not 0 is a disk.
bool IsRemote(const char* line, uint64_t& mount) {
  mount = Number(line, 10);
  Number(line, 10);
  if (Number(line, 10) != 0) return false;
  const char* type = strstr(line, " - ");
  return type == nullptr || !IsLocal(type + 3);
}

// Removes candidates on such a mount.
Failure LeaveRemoteOut(Candidate* candidates, size_t n) {
  Fd mounts(Open("/proc/self/mountinfo"));
  if (mounts.get() < 0) return Check(mounts.get(), "open");
  Lines lines(mounts.get());
  while (const char* line = lines.Next()) {
    uint64_t mount = 0;
    if (!IsRemote(line, mount)) continue;
    for (Candidate* c = candidates; c != candidates + n; ++c) c->shared |= c->mount == mount;
  }
  return Check(lines.error(), "read");
}

Failure Keep(const Candidate* at, const Candidate* end, Arena& arena, FilesInUse& found) {
  FileInUse* file = found.files.Add(arena);
  if (file == nullptr) return kArenaFull;
  *file = {at->fd, at->status, ClosesOnExec(at->fd), at->position};
  for (const Candidate* c = at + 1; c != end; ++c) {
    Duplicate* duplicate = found.duplicates.Add(arena);
    if (duplicate == nullptr) return kArenaFull;
    *duplicate = {at->fd, c->fd, ClosesOnExec(c->fd)};
  }
  return {};
}

bool Has(const List<int>& list, int fd) {
  for (const int one : list) {
    if (one == fd) return true;
  }
  return false;
}

}  // namespace

Failure ListFilesInUse(const Table& table, const ProcFiles& files, const Writes& writes,
                       Arena& arena, Deadline& deadline, FilesInUse& found) {
  auto could_be = [](const Entry& e) {
    return e.kind == Kind::kOther && !e.Has(Entry::kPrivate | Entry::kSevered);
  };
  auto* candidates = arena.Take<Candidate>(table.Count(could_be));
  if (candidates == nullptr) return kArenaFull;
  const bool any = writes.copies || writes.opens || writes.fds.size() > 0;
  size_t n = 0;
  for (const Entry& entry : table) {
    if (!could_be(entry)) continue;
    if (deadline.Over()) return kTooLate;
    const long status = Sys(SYS_fcntl, entry.fd, F_GETFL);
    if (status < 0 || (status & O_PATH) != 0) continue;
    const bool writable = (status & O_ACCMODE) != O_RDONLY;
    if (writable && (!any || (status & O_APPEND) != 0)) continue;
    const uint64_t inode = FileAt(table, entry.fd);
    if (inode == 0) continue;
    Candidate& c = candidates[n];
    c = {entry.fd, static_cast<int>(status),
         inode,    0,
         0,        !writable || writes.copies || Has(writes.fds, entry.fd),
         false};
    if (Failure failure = ReadInfo(files.fdinfo.get(), c)) return failure;
    c.wanted = c.wanted || (writes.opens && c.position == 0);
    n += c.shared ? 0 : 1;
  }
  if (n == 0) return {};
  if (Failure failure = LeaveRemoteOut(candidates, n)) return failure;
  n = static_cast<size_t>(
      std::remove_if(candidates, candidates + n, [](auto& c) { return c.shared; }) - candidates);
  Sort(candidates, candidates + n, Before);
  for (const Candidate* at = candidates; at != candidates + n;) {
    const Candidate* end = at + 1;
    while (end != candidates + n && Same(*at, *end)) ++end;
    const bool wanted = std::any_of(at, end, [](auto& c) { return c.wanted; });
    // A duplicate of a standard stream stays shared.
    Failure failure = wanted && at->fd > 2 ? Keep(at, end, arena, found) : Failure{};
    if (failure) return failure;
    at = end;
  }
  return {};
}

Failure MakeFileInUse(const FileInUse& file) {
  constexpr int kFlags = O_NONBLOCK | O_DIRECT | O_DIRECTORY;
  const long fd = Open(OpenFile(file.fd).path, file.status & (O_ACCMODE | kFlags));
  if (fd < 0) return {};
  if (Sys(SYS_lseek, fd, file.position, SEEK_SET) < 0) {
    Sys(SYS_close, fd);
    return {};
  }
  return Place(fd, file.fd, file.closes_on_exec, "dup3");
}

}  // namespace livefork
