#include "sys/socketpair.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

namespace sys {

std::vector<int> Socketpair(bool records) {
  int type = records ? SOCK_SEQPACKET : SOCK_STREAM;
  int fds[2];
  if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) != 0) return {-errno};
  return {fds[0], fds[1]};
}

int SendRecord(int fd, const std::string& record) {
  ssize_t sent;
  do {
    sent = send(fd, record.data(), record.size(), MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : 0;
}

bool AwaitHangup(int fd, int timeout_ms) {
  // A hang-up is always reported, asked for or not.
  pollfd hangup{fd, 0, 0};
  return poll(&hangup, 1, timeout_ms) == 1;
}

}  // namespace sys
