#include <fcntl.h>

#include "sys/result.h"
#include "sys/stdio.h"

namespace sys {

// A kqueue's registrations belong to the number, and are removed when it is closed or replaced
// (knote_fdclose(9)). So nothing must be removed first.
int Redirect(int fd, int target, const std::vector<int>&) {
  int result;
  do {
    result = Result(fcntl(target, fd > 2 ? F_DUP2FD_CLOEXEC : F_DUP2FD, fd));
  } while (result == -EINTR);
  return result < 0 ? result : 0;
}

}  // namespace sys
