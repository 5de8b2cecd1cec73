#include "sys/flock.h"

#include <sys/file.h>

#include "sys/result.h"

namespace sys {
namespace {

int Flock(int fd, int operation) {
  int result;
  do {
    result = Result(flock(fd, operation));
  } while (result == -EINTR);
  return result;
}

}  // namespace

int FlockExclusive(int fd) {
  return Flock(fd, LOCK_EX | LOCK_NB);
}

int FlockHeld(int fd) {
  int result = Flock(fd, LOCK_SH | LOCK_NB);
  if (result == 0) return Flock(fd, LOCK_UN);
  return result == -EWOULDBLOCK ? 1 : result;
}

}  // namespace sys
