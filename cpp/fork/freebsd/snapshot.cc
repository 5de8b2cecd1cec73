#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "fork/freebsd/objects.h"
#include "sys/kinfo_freebsd.h"

namespace livefork {
namespace {

// KERN_PROC_KQUEUE and struct kinfo_knote of sys/user.h, which the headers of 14.0 lack.
constexpr int kKernProcKqueue = 47;
struct Knote {
  int kqueue;
  struct kevent event;
  int status;
  int extra;
  uint64_t spare[4];
  union {
    struct {
      int type;
      uint64_t filesystem;
      uint64_t file;
      char path[PATH_MAX];
    } vnode;
    uint64_t pipe;
  };
};
// sys/event.h defines them only for the kernel.
constexpr int kActive = 0x01;
constexpr int kDisabled = 0x04;

// What libuv asks of a file (uv_fs_event_t).
constexpr unsigned kFileEvents =
    NOTE_ATTRIB | NOTE_WRITE | NOTE_RENAME | NOTE_DELETE | NOTE_EXTEND | NOTE_REVOKE;

constexpr Failure kFull{ENOMEM, "mmap"};
constexpr size_t kMostKnotes = 4096;
constexpr size_t kMostBytes = size_t{32} << 20;

long ListKnotes(int fd, Knote* list, size_t bytes) {
  int name[] = {CTL_KERN, KERN_PROC, kKernProcKqueue, getpid(), fd};
  if (sysctl(name, 5, list, &bytes, nullptr, 0) != 0) return -errno;
  return static_cast<long>(bytes / sizeof(Knote));
}

// The change that repeats the registration. The kernel reports the flags and the number of an event
// that has happened, not those that were asked for.
struct kevent Again(const Knote& knote) {
  struct kevent change = knote.event;
  change.flags &= EV_CLEAR | EV_ONESHOT | EV_DISPATCH | EV_RECEIPT;
  change.flags |= EV_ADD;
  change.flags |= (knote.status & kDisabled) != 0 ? EV_DISABLE : EV_ENABLE;
  change.fflags = change.filter == EVFILT_VNODE ? kFileEvents : 0;
  change.data = 0;
  // A triggered user event has not been delivered yet.
  if (change.filter == EVFILT_USER && (knote.status & kActive) != 0) change.fflags = NOTE_TRIGGER;
  return change;
}

// Not the parent's children, nor its requests of aio(4), nor timers: their period is not reported.
bool Inherited(const Knote& knote) {
  const short filter = knote.event.filter;
  return filter != EVFILT_PROC && filter != EVFILT_PROCDESC && filter != EVFILT_AIO &&
         filter != EVFILT_LIO && filter != EVFILT_TIMER;
}

Failure ReadKqueue(Region& region, Object& object) {
  auto* knotes = region.Take<Knote>(kMostKnotes);
  object.watched.changes = region.Take<struct kevent>(kMostKnotes);
  if (knotes == nullptr || object.watched.changes == nullptr) return kFull;
  const long count = ListKnotes(object.fd, knotes, kMostKnotes * sizeof(Knote));
  if (count < 0) return {static_cast<int>(-count), "sysctl"};
  for (long i = 0; i < count; ++i) {
    if (Inherited(knotes[i])) object.watched.changes[object.watched.count++] = Again(knotes[i]);
  }
  return {};
}

// FreeBSD has no tee(2). All threads that could read or write are stopped.
Failure ReadPipe(Region& region, Object& end, const Object& other) {
  if (end.unread_size == 0) return {};
  end.unread = region.Take<char>(end.unread_size);
  if (end.unread == nullptr) return kFull;
  const ssize_t size = read(end.fd, end.unread, end.unread_size);
  if (size < 0) return {errno, "read"};
  end.unread_size = static_cast<size_t>(size);
  if (write(other.fd, end.unread, end.unread_size) != size) return {EAGAIN, "write"};
  return {};
}

bool Describe(const kinfo_file& file, Object& object) {
  if (file.kf_fd < 0) return false;
  object = {};
  object.fd = file.kf_fd;
  object.flags = fcntl(file.kf_fd, F_GETFL);
  object.cloexec = (fcntl(file.kf_fd, F_GETFD) & FD_CLOEXEC) != 0;
  switch (file.kf_type) {
    case KF_TYPE_KQUEUE:
      object.kind = Object::kKqueue;
      return true;
    case KF_TYPE_PIPE:
      object.kind = Object::kPipe;
      object.address = file.kf_un.kf_pipe.kf_pipe_addr;
      object.peer = file.kf_un.kf_pipe.kf_pipe_peer;
      object.unread_size = file.kf_un.kf_pipe.kf_pipe_buffer_cnt;
      return object.cloexec;
    case KF_TYPE_EVENTFD:
      object.kind = Object::kEventfd;
      object.value = file.kf_un.kf_eventfd.kf_eventfd_value;
      return object.cloexec;
    default:
      return false;
  }
}

Object* OtherEnd(const Objects& objects, const Object& end) {
  for (size_t i = 0; i < objects.count; ++i) {
    Object& other = objects.list[i];
    if (other.kind == Object::kPipe && other.address == end.peer) return &other;
  }
  return nullptr;
}

// Lists the objects without their contents.
Failure ListObjects(Region& region, Objects& objects) {
  char* bytes = region.Take<char>(kMostBytes);
  if (bytes == nullptr) return kFull;
  int name[] = {CTL_KERN, KERN_PROC, KERN_PROC_FILEDESC, getpid()};
  size_t size = kMostBytes;
  if (sysctl(name, 4, bytes, &size, nullptr, 0) != 0) return {errno, "sysctl"};
  objects.list = region.Take<Object>(size / offsetof(kinfo_file, kf_path) + 1);
  if (objects.list == nullptr) return kFull;
  sys::EachRecord(bytes, size, [&objects](const kinfo_file& file) {
    if (Describe(file, objects.list[objects.count])) ++objects.count;
  });
  return {};
}

}  // namespace

const char* ObjectObstacle() {
  const int fd = kqueue();
  if (fd < 0) return nullptr;  // fork() itself reports that no descriptor is left
  static Knote knote;
  const long count = ListKnotes(fd, &knote, sizeof knote);
  close(fd);
  return count < 0 ? "this kernel does not show what a kqueue watches (kern.proc.kq)" : nullptr;
}

Failure TakeSnapshot(Region& region, Objects& objects) {
  Failure failure = ListObjects(region, objects);
  for (size_t i = 0; i < objects.count && !failure; ++i) {
    Object& object = objects.list[i];
    if (object.kind == Object::kKqueue) failure = ReadKqueue(region, object);
    if (object.kind != Object::kPipe) continue;
    if (const Object* other = OtherEnd(objects, object)) failure = ReadPipe(region, object, *other);
  }
  return failure;
}

}  // namespace livefork
