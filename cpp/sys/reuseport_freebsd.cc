#include <sys/socket.h>

#include <cerrno>

#include "sys/reuseport.h"

namespace sys {

// FreeBSD's SO_REUSEPORT directs all connections to the socket that was bound last.
int ReusePort(int fd) {
  const int on = 1;
  return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT_LB, &on, sizeof on);
}

int Steer(int, const std::vector<unsigned>&) {
  return -ENOTSUP;
}

}  // namespace sys
