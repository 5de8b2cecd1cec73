#include <fcntl.h>

#include "sys/result.h"
#include "sys/stdio.h"

namespace sys {

// A kqueue's registrations belong to the number, and go when it is closed or replaced
// (knote_fdclose(9)): there is nothing to be taken out first.
int Redirect(int fd, int target, const std::vector<int>&) {
  int result;
  do {
    result = Result(fcntl(target, fd > 2 ? F_DUP2FD_CLOEXEC : F_DUP2FD, fd));
  } while (result == -EINTR);
  return result < 0 ? result : 0;
}

}  // namespace sys
