#include "sys/flock.h"

#include <sys/file.h>

#include "sys/result.h"

namespace sys {

int FlockExclusive(int fd) {
  int result;
  do {
    result = Result(flock(fd, LOCK_EX | LOCK_NB));
  } while (result == -EINTR);
  return result;
}

}  // namespace sys
