#include "fork/freeze/table.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "fork/base/sort.h"
#include "fork/base/statx.h"
#include "fork/freeze/main_loop.h"
#include "fork/park/park.h"

namespace livefork {
namespace {

struct KindName {
  const char* link;
  Kind kind;
};
constexpr KindName kKinds[] = {
    {"anon_inode:[eventpoll]", Kind::kEpoll},       {"anon_inode:[eventfd]", Kind::kEventfd},
    {"anon_inode:inotify", Kind::kInotify},         {"anon_inode:[timerfd]", Kind::kTimerfd},
    {"anon_inode:[signalfd]", Kind::kSignalfd},     {"anon_inode:[io_uring]", Kind::kRing},
    {"anon_inode:[userfaultfd]", Kind::kUserfault},
};

struct Link {
  char text[64];
};

long ReadLink(int descriptors, int fd, Link& link) {
  const Name name = Decimal(static_cast<unsigned>(fd));
  const long n = Sys(SYS_readlinkat, descriptors, name.text, link.text, sizeof link.text - 1);
  link.text[n < 0 ? 0 : n] = '\0';
  return n < 0 ? n : 0;
}

// "socket:[123]"
bool Numbered(const char* text, const char* prefix, uint64_t& inode) {
  if (!Skip(text, prefix)) return false;
  inode = Number(text, 10);
  return *text == ']';
}

long AskLink(int descriptors, int fd, FileFacts& facts) {
  Link link;
  const long r = ReadLink(descriptors, fd, link);
  if (r < 0) return r == -ENOENT ? -EBADF : r;
  const char* text = link.text;
  if (Numbered(text, "socket:[", facts.inode)) {
    facts.mode = S_IFSOCK;
  } else if (Numbered(text, "pipe:[", facts.inode)) {
    facts.mode = S_IFIFO;
  } else if (Skip(text, "/dev/pts/") || Skip(text, "/dev/tty")) {
    facts.mode = S_IFCHR;
    facts.major = 136;
  } else if (link.text[0] != '/') {
    struct stat st {};  // objects of the kernel have no file system that could block
    if (Sys(SYS_fstat, fd, &st) == 0) facts.inode = st.st_ino;
  }
  return 0;
}

// The size of the table if many numbers are open and few are free. Then testing each number is
// faster than listing them. The number of open descriptors is known since Linux 6.2
// (proc_fd_getattr); 0 if it is unknown.
int DenseNumbers(const ProcFiles& files) {
  constexpr uint64_t kMany = 256, kMost = 4;
  Statx st{};
  if (Ask(files.descriptors.get(), kSize, st) < 0 || st.size < kMany) return 0;
  char text[1024];
  const int tid = static_cast<int>(Sys(SYS_gettid));
  if (ReadTask(files.task.get(), tid, "status", text, sizeof text) <= 0) return 0;
  const char* at = strstr(text, "\nFDSize:");
  if (at == nullptr) return 0;
  at += sizeof "\nFDSize:" - 1;
  const uint64_t numbers = Number(at, 10);
  return numbers <= kMost * st.size ? static_cast<int>(numbers) : 0;
}

}  // namespace

long AskFile(int descriptors, int fd, FileFacts& facts) {
  Statx st{};
  const long r = Ask(fd, kType | kInode, st);
  if (r == -EBADF) return r;
  if (r < 0) return AskLink(descriptors, fd, facts);
  facts.inode = st.inode;
  facts.mode = st.mode;
  facts.major = st.rdev_major;
  return 0;
}

bool HandleMarks::Read(void* loop, Arena& arena) {
  const auto measure = [](void* context, int fd, uint16_t) {
    auto* self = static_cast<HandleMarks*>(context);
    self->size_ = std::max(self->size_, fd + 1);
  };
  EachHandle(loop, measure, this);
  marks_ = arena.Take<uint16_t>(static_cast<size_t>(size_));
  if (marks_ == nullptr) return false;
  const auto mark = [](void* context, int fd, uint16_t mark) {
    uint16_t& marks = static_cast<HandleMarks*>(context)->marks_[fd];
    marks = static_cast<uint16_t>(marks | Entry::kMain | mark);
  };
  EachHandle(loop, mark, this);
  return true;
}

bool Deadline::Over() {
  return ++calls_ % 64 == 0 && MonotonicNs() > ns_;
}

bool ClosesOnExec(int fd) {
  const long flags = Sys(SYS_fcntl, fd, F_GETFD);
  return flags >= 0 && (flags & FD_CLOEXEC) != 0;
}

// A socket is recognized by a call that takes no lock; ten thousand connections cost ten thousand
// short calls. A stream of libuv's is no file, whose system could block, so one call gets its type
// and the inode, which its registration is compared with. For others the link in /proc shows the
// type: the kernel's own name, or a path. A number that has become free gets -1.
Failure Table::Classify(Entry& entry) const {
  Statx st{};
  const bool stream = entry.Has(Entry::kMainStream);
  const long asked = stream ? Ask(entry.fd, kType | kInode, st) : -ENOSYS;
  if (asked == 0 && S_ISSOCK(st.mode)) {
    entry.kind = Kind::kSocket;
    entry.inode = st.inode;
    return {};
  }
  int type = 0;
  socklen_t length = sizeof type;
  if (Sys(SYS_getsockopt, entry.fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0) {
    entry.kind = Kind::kSocket;
    return {};
  }
  Link link;
  const long r = ReadLink(descriptors_, entry.fd, link);
  if (stream && r == -ENOENT) {
    entry.fd = -1;
    return {};
  }
  if (r < 0) {
    const bool denied = r == -EPERM || r == -EACCES || r == -ENOSYS;
    if (!denied) return Check(r, "readlinkat");
    return {ENOTSUP, "fork", "readlinkat(2), which identifies descriptors, is not permitted"};
  }
  if (Numbered(link.text, "pipe:[", entry.inode)) entry.kind = Kind::kPipe;
  for (const KindName& k : kKinds) {
    if (strcmp(link.text, k.link) == 0) entry.kind = k.kind;
  }
  return {};
}

// Reads the directory only once, because the kernel makes and discards a cache entry for each
// number (proc_fill_cache).
Failure Table::Numbers(const ProcFiles& files, int own, const HandleMarks& handles, Arena& arena,
                       Deadline& deadline, List<int>& numbers) const {
  Failure failure;
  const auto add = [&](int fd) {
    if (fd == own || files.Owns(fd)) return true;
    int* number = numbers.Add(arena);
    if (number != nullptr) *number = fd;
    failure = number == nullptr ? kArenaFull : deadline.Over() ? kTooLate : Failure{};
    return !failure;
  };
  const int dense = DenseNumbers(files);
  for (int fd = 0; fd < dense && !failure; ++fd) {
    // Classify() finds out whether a stream is open.
    const bool stream = (handles.Of(fd) & Entry::kMainStream) != 0;
    if (stream || Sys(SYS_fcntl, fd, F_GETFD) >= 0) add(fd);
  }
  const long r = dense > 0 ? 0 : EachNumber(descriptors_, add);
  return failure ? failure : Check(r, "getdents64");
}

Failure Table::Read(const ProcFiles& files, int own, const HandleMarks& handles, Arena& arena,
                    Deadline& deadline) {
  descriptors_ = files.descriptors.get();
  List<int> numbers;
  Failure failure = Numbers(files, own, handles, arena, deadline, numbers);
  if (failure) return failure;
  entries_ = arena.Take<Entry>(numbers.size());
  if (entries_ == nullptr) return kArenaFull;
  bool ordered = true;  // the kernel lists them in order (proc_readfd_common)
  for (const int fd : numbers) {
    if (deadline.Over()) return kTooLate;
    Entry& entry = entries_[size_];
    entry = {fd, Kind::kOther, handles.Of(fd), 0};
    if ((failure = Classify(entry))) return failure;
    if (entry.fd < 0) continue;
    ordered = ordered && (size_ == 0 || entries_[size_ - 1].fd < fd);
    ++size_;
  }
  if (!ordered) Sort(begin(), end(), [](auto& a, auto& b) { return a.fd < b.fd; });
  return {};
}

// The entries ascend, so a number stands at its own place, or before that by the count of free
// numbers below it: in a dense table a few steps.
Entry* Table::Find(int fd) const {
  constexpr int kSteps = 16;
  if (size_ == 0 || fd < 0) return nullptr;
  Entry* near = entries_ + std::min<size_t>(static_cast<size_t>(fd), size_ - 1);
  for (int i = 0; i < kSteps && near != begin() && near->fd > fd; ++i) --near;
  if (near->fd == fd) return near;
  auto less = [](const Entry& entry, int number) { return entry.fd < number; };
  Entry* at = std::lower_bound(begin(), end(), fd, less);
  return at != end() && at->fd == fd ? at : nullptr;
}

uint64_t Table::Inode(Entry& entry) const {
  if (entry.inode == 0) {
    FileFacts facts;
    if (AskFile(descriptors_, entry.fd, facts) == 0) entry.inode = facts.inode;
  }
  return entry.inode;
}

}  // namespace livefork
