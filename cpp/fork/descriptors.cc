#include "fork/descriptors.h"

#include <fcntl.h>
#include <linux/kcmp.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

#include <cstring>

namespace livefork {
namespace {

struct KindName {
  const char* link;
  Kind kind;
};
constexpr KindName kKinds[] = {
    {"anon_inode:[eventpoll]", Kind::kEpoll},   {"anon_inode:[eventfd]", Kind::kEventfd},
    {"anon_inode:inotify", Kind::kInotify},     {"anon_inode:[timerfd]", Kind::kTimerfd},
    {"anon_inode:[signalfd]", Kind::kSignalfd}, {"anon_inode:[io_uring]", Kind::kRing},
};

// The state of the walk over the descriptor table.
class Reader {
 public:
  Reader(ProcFiles& files, Mappings& mappings, Arena& arena, Snapshot& snapshot)
      : files_(files), mappings_(mappings), arena_(arena), snapshot_(snapshot) {}

  Failure Run() {
    Failure failure;
    long r = EachNumber(files_.descriptors.get(), [&](int fd) {
      if (!files_.Owns(fd)) failure = Classify(fd);
      return !failure;
    });
    if (failure) return failure;
    if (r < 0) return Check(r, "getdents64");
    if ((failure = KeepPrivatePipes())) return failure;
    FindDuplicates();
    for (Descriptor& d : snapshot_.descriptors) {
      if (d.twin_of == nullptr && (failure = Describe(d))) return failure;
    }
    return {};
  }

 private:
  // stat(2) alone tells what most descriptors are: only the nameless kinds and pipes are looked
  // at more closely, so ten thousand connections cost ten thousand short calls.
  Failure Classify(int fd) {
    struct stat st {};
    const long stated = Sys(SYS_fstat, fd, &st);
    if (stated == -EBADF) return {};
    const bool fifo = S_ISFIFO(st.st_mode);
    if (!fifo && (st.st_mode & S_IFMT) != 0) return {};
    char link[32] = {};
    Name name = Decimal(static_cast<unsigned>(fd));
    const long r = Sys(SYS_readlinkat, files_.descriptors.get(), name.text, link, sizeof link - 1);
    if (r < 0) return Check(r, "readlinkat");
    // A file of a dead network file system fails too (ESTALE, ENOTCONN); files are shared anyway.
    if (stated < 0) return link[0] == '/' ? Failure{} : Check(stated, "fstat");
    const long flags = Sys(SYS_fcntl, fd, F_GETFD);
    if (flags < 0) return Check(flags, "fcntl");
    const bool closes = (flags & FD_CLOEXEC) != 0;
    if (fifo) {
      const bool nameless = strncmp(link, "pipe:[", 6) == 0;
      return nameless ? Add(pipes_, fd, Kind::kPipe, st, closes) : Failure{};
    }
    for (const KindName& k : kKinds) {
      if (strcmp(link, k.link) != 0) continue;
      // One that would survive an exec is meant to be shared, as fork(2) shares it.
      return closes ? Add(snapshot_.descriptors, fd, k.kind, st, closes) : Failure{};
    }
    return {};
  }

  Failure Add(List<Descriptor>& list, int fd, Kind kind, const struct stat& st, bool closes) {
    const long status = Sys(SYS_fcntl, fd, F_GETFL);
    if (status < 0) return Check(status, "fcntl");
    Descriptor* d = list.Add(arena_);
    if (d == nullptr) return kArenaFull;
    d->fd = fd;
    d->kind = kind;
    d->inode = st.st_ino;
    d->status = static_cast<int>(status);
    d->closes_on_exec = closes;
    d->writes = (d->status & O_ACCMODE) == O_WRONLY;
    return kind == Kind::kEventfd ? ReadInfo(*d) : Failure{};
  }

  // A pipe is this process's own if both ends are here and none would survive an exec.
  Failure KeepPrivatePipes() {
    for (const Descriptor& pipe : pipes_) {
      bool reads = false, writes = false, closes = true;
      for (const Descriptor& other : pipes_) {
        if (other.inode != pipe.inode) continue;
        (other.writes ? writes : reads) = true;
        closes = closes && other.closes_on_exec;
      }
      if (!reads || !writes || !closes) continue;
      Descriptor* d = snapshot_.descriptors.Add(arena_);
      if (d == nullptr) return kArenaFull;
      *d = pipe;
    }
    return {};
  }

  bool SameFile(const Descriptor& a, const Descriptor& b) const {
    if (a.kind != b.kind) return false;
    if (a.kind == Kind::kPipe || a.kind == Kind::kRing) {
      return a.inode == b.inode && a.writes == b.writes;
    }
    if (a.kind == Kind::kEventfd) return a.id == b.id && a.id != 0;
    const long pid = Sys(SYS_getpid);
    return Sys(SYS_kcmp, pid, pid, KCMP_FILE, a.fd, b.fd) == 0;
  }

  // Where the kernel has no kcmp(2), duplicates of these kinds get twins apart; nobody is known
  // to duplicate them.
  void FindDuplicates() {
    for (Descriptor& d : snapshot_.descriptors) {
      for (const Descriptor& earlier : snapshot_.descriptors) {
        if (&earlier == &d) break;
        if (!SameFile(earlier, d)) continue;
        d.twin_of = &earlier;
        break;
      }
    }
  }

  Failure Describe(Descriptor& d) {
    switch (d.kind) {
      case Kind::kPipe:
        return d.writes ? Failure{} : ReadPipe(d);
      case Kind::kRing:
        return ReadRing(d);
      case Kind::kEventfd:
        return {};  // done when it was found: its id tells duplicates
      case Kind::kTimerfd:
        Sys(SYS_timerfd_gettime, d.fd, d.timer);
        break;
      default:
        break;
    }
    return ReadInfo(d);
  }

  Failure ReadInfo(Descriptor& d) {
    Name name = Decimal(static_cast<unsigned>(d.fd));
    Fd info(Sys(SYS_openat, files_.fdinfo.get(), name.text, O_RDONLY | O_CLOEXEC, 0));
    if (info.get() < 0) return Check(info.get(), "open");
    Lines lines(info.get());
    while (const char* line = lines.Next()) {
      if (Failure failure = ReadField(d, line)) return failure;
    }
    return Check(lines.error(), "read");
  }

  Failure ReadField(Descriptor& d, const char* line) {
    if (Skip(line, "tfd:")) return ReadRegistration(d, line);
    if (Skip(line, "eventfd-count:") || Skip(line, "sigmask:")) d.value = Number(line, 16);
    if (Skip(line, "eventfd-semaphore:")) d.semaphore = Number(line, 10) != 0;
    if (Skip(line, "eventfd-id:")) d.id = Number(line, 10) + 1;
    if (Skip(line, "clockid:")) d.value = Number(line, 10);
    if (Skip(line, "ticks:")) d.ticks = Number(line, 10);
    return {};
  }

  // "tfd: 13 events: 19 data: d  pos:0 ino:3567 sdev:f"
  Failure ReadRegistration(const Descriptor& epoll, const char* line) {
    const int fd = static_cast<int>(Number(line, 10));
    Skip(line, " events:");
    const auto events = static_cast<uint32_t>(Number(line, 16));
    Skip(line, " data:");
    const uint64_t data = Number(line, 16);
    const char* ino = strstr(line, "ino:");
    if (ino == nullptr) return {ENOTSUP, "fork", "the kernel does not say what an epoll watches"};
    ino += 4;
    // A registration outlives its descriptor where a duplicate keeps the file open; the number
    // may be another file's by now.
    struct stat st {};
    const long r = Sys(SYS_fstat, fd, &st);
    if (r < 0 && r != -EBADF) return Check(r, "fstat");
    if (r < 0 || st.st_ino != Number(ino, 16)) return {};
    Registration* registration = snapshot_.registrations.Add(arena_);
    if (registration == nullptr) return kArenaFull;
    *registration = {epoll.fd, fd, events, data};
    return {};
  }

  // What is in the pipe, without taking it out: through tee(2) into a pipe of our own.
  Failure ReadPipe(const Descriptor& d) {
    int size = 0;
    // Taken for empty, libuv's lock of one byte in a pipe would never be free in the child.
    if (long r = Sys(SYS_ioctl, d.fd, FIONREAD, &size); r < 0) return Check(r, "ioctl");
    if (size == 0) return {};
    PipeContent* content = snapshot_.contents.Add(arena_);
    auto* bytes = arena_.Take<char>(static_cast<size_t>(size));
    if (content == nullptr || bytes == nullptr) return kArenaFull;
    const long capacity = Sys(SYS_fcntl, d.fd, F_GETPIPE_SZ);
    Sys(SYS_fcntl, files_.scratch_write.get(), F_SETPIPE_SZ, capacity);
    long n = Sys(SYS_tee, d.fd, files_.scratch_write.get(), size, 0);
    if (n < 0) return Check(n, "tee");
    n = Sys(SYS_read, files_.scratch_read.get(), bytes, size);
    if (n != size) return {EAGAIN, "tee", "a pipe could not be read whole", true};
    *content = {d.inode, bytes, static_cast<size_t>(size), capacity};
    return {};
  }

  Failure ReadRing(const Descriptor& d) {
    if (const char* obstacle = RingObstacle(files_.fdinfo.get(), d.fd)) {
      return {ENOTSUP, "fork", obstacle};
    }
    Ring* ring = snapshot_.rings.Add(arena_);
    if (ring == nullptr) return kArenaFull;
    ring->fd = d.fd;
    ring->inode = d.inode;
    return DescribeRing(*ring, mappings_, arena_);
  }

  ProcFiles& files_;
  Mappings& mappings_;
  Arena& arena_;
  Snapshot& snapshot_;
  List<Descriptor> pipes_;
};

}  // namespace

Failure TakeSnapshot(ProcFiles& files, void* loop, Mappings& mappings, Arena& arena,
                     Snapshot& snapshot) {
  files.spare.Close();
  if (Failure failure = Reader(files, mappings, arena, snapshot).Run()) return failure;
  snapshot.inotify.loop = loop;
  snapshot.inotify.arena = &arena;
  return {};
}

}  // namespace livefork
