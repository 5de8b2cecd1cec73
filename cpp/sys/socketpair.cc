#include "sys/socketpair.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>

namespace sys {

namespace {

// By default FreeBSD's sockets accept records of at most 8 KiB, and an error's text with its stack
// may be longer. Linux accepts these by default.
void MakeRoom(const int (&fds)[2]) {
  constexpr int kRoom = 1 << 16;
  for (int fd : fds) {
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kRoom, sizeof kRoom);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kRoom, sizeof kRoom);
  }
}

// The data that the other side has not read yet. unix(7): a sender's bytes are charged to its own
// socket.
int Unread(int fd) {
  // FIONWRITE on the BSDs; SIOCOUTQ on Linux, which has the number of the terminals' request.
#ifdef FIONWRITE
  constexpr unsigned long kRequest = FIONWRITE;
#else
  constexpr unsigned long kRequest = TIOCOUTQ;
#endif
  int bytes = 0;
  return ioctl(fd, kRequest, &bytes) != 0 ? -errno : bytes;
}

}  // namespace

std::vector<int> Socketpair(bool records) {
  int type = records ? SOCK_SEQPACKET : SOCK_STREAM;
  int fds[2];
  if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) != 0) return {-errno};
  if (records) MakeRoom(fds);
  return {fds[0], fds[1]};
}

int SendRecord(int fd, const std::string& record) {
  ssize_t sent;
  do {
    // Without MSG_EOR FreeBSD 15 appends to a record (uipc_sosend_stream_or_seqpacket).
    sent = send(fd, record.data(), record.size(), MSG_NOSIGNAL | MSG_EOR);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : 0;
}

int SendRecordIfRead(int fd, const std::string& record) {
  int unread = Unread(fd);
  if (unread != 0) return unread < 0 ? unread : -EAGAIN;
  return SendRecord(fd, record);
}

bool AwaitHangup(int fd, int timeout_ms) {
  // A hang-up is always reported, even if it was not requested.
  pollfd hangup{fd, 0, 0};
  return poll(&hangup, 1, timeout_ms) == 1;
}

}  // namespace sys
