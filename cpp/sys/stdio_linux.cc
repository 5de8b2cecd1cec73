#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "sys/result.h"
#include "sys/stdio.h"

namespace sys {

int Redirect(int fd, int target, const std::vector<int>& epolls) {
  epoll_event unused{};
  for (int epoll : epolls) epoll_ctl(epoll, EPOLL_CTL_DEL, fd, &unused);
  int result;
  do {
    result = Result(dup3(target, fd, fd > 2 ? O_CLOEXEC : 0));
  } while (result == -EINTR || result == -EBUSY);
  return result < 0 ? result : 0;
}

}  // namespace sys
