#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

#include "fork/freebsd/objects.h"

namespace livefork {
namespace {

// Moves a new descriptor to the number of the one that it replaces.
Failure Place(int fresh, const Object& object) {
  if (fresh < 0) return {errno, "open"};
  if (fresh != object.fd) {
    const int moved = fcntl(fresh, F_DUP2FD, object.fd);
    close(fresh);
    if (moved < 0) return {errno, "fcntl"};
  }
  fcntl(object.fd, F_SETFD, object.cloexec ? FD_CLOEXEC : 0);
  // A kqueue has no flags to set.
  if (object.kind != Object::kKqueue) fcntl(object.fd, F_SETFL, object.flags);
  return {};
}

Failure Fill(const Object& end, const Object& other) {
  if (end.unread_size == 0) return {};
  const ssize_t size = write(other.fd, end.unread, end.unread_size);
  return size == static_cast<ssize_t>(end.unread_size) ? Failure{} : Failure{EAGAIN, "write"};
}

// Makes the pipe at the first number of each end; further numbers of an end become duplicates.
Failure TwinPipe(const Objects& objects, const Object& one) {
  const Object* other = nullptr;
  for (size_t i = 0; i < objects.count; ++i) {
    const Object& object = objects.list[i];
    if (object.kind != Object::kPipe) continue;
    if (object.address == one.address && object.fd < one.fd) {
      return fcntl(object.fd, F_DUP2FD_CLOEXEC, one.fd) < 0 ? Failure{errno, "fcntl"} : Failure{};
    }
    if (object.address == one.peer && other == nullptr) other = &object;
  }
  // The other end belongs to another process, so the pipe is shared as after fork(2); or it was
  // already made with this end.
  if (other == nullptr || other->fd < one.fd) return {};
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return {errno, "pipe2"};
  // Avoids the numbers of both ends.
  const int far = fcntl(ends[1], F_DUPFD_CLOEXEC, other->fd + 1);
  close(ends[1]);
  if (far < 0) return {errno, "fcntl"};
  if (Failure failure = Place(ends[0], one)) return failure;
  if (Failure failure = Place(far, *other)) return failure;
  if (Failure failure = Fill(one, *other)) return failure;
  return Fill(*other, one);
}

Failure TwinOf(const Objects& objects, const Object& object) {
  switch (object.kind) {
    case Object::kKqueue:
      return Place(kqueue(), object);
    case Object::kEventfd:
      return Place(eventfd(static_cast<unsigned>(object.value), EFD_CLOEXEC), object);
    default:
      return TwinPipe(objects, object);
  }
}

// Two calls, because NOTE_TRIGGER has no effect in the one that adds the event (filt_userattach()
// looks at flags that kqueue_register() has emptied), and EV_CLEAR in the other one would undo it.
int RegisterTriggered(int fd, struct kevent change) {
  change.fflags = 0;
  if (kevent(fd, &change, 1, nullptr, 0, nullptr) != 0) return -1;
  change.flags = 0;
  change.fflags = NOTE_TRIGGER;
  return kevent(fd, &change, 1, nullptr, 0, nullptr);
}

Failure Register(const Object& object) {
  for (size_t i = 0; i < object.watched.count; ++i) {
    const struct kevent& change = object.watched.changes[i];
    const bool triggered = change.filter == EVFILT_USER && change.fflags == NOTE_TRIGGER;
    const int result = triggered ? RegisterTriggered(object.fd, change)
                                 : kevent(object.fd, &change, 1, nullptr, 0, nullptr);
    // A file whose number was closed is no longer watched.
    if (result != 0 && errno != EBADF) return {errno, "kevent"};
  }
  return {};
}

}  // namespace

Failure MakeTwins(const Objects& objects) {
  Failure failure;
  // The number of a kqueue is free here, so new descriptors of other objects may use it for a
  // moment. It is free again when its turn comes, because each object is placed before the next is
  // made.
  for (size_t i = 0; i < objects.count && !failure; ++i) failure = TwinOf(objects, objects.list[i]);
  // Last, since they may watch each other.
  for (size_t i = 0; i < objects.count && !failure; ++i) failure = Register(objects.list[i]);
  return failure;
}

}  // namespace livefork
