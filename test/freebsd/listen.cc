#include "sys/listen.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "children.h"
#include "tap.h"

namespace {

bool Connects(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<uint16_t>(port));
  return connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
}

}  // namespace

TEST(Tcp, "listenTcp: a free port, non-blocking, close-on-exec; EADDRINUSE") {
  const int fd = sys::ListenTcp("127.0.0.1", 0, false, 5);
  HOLDS(fd >= 0);
  HOLDS((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0 && (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
  const int port = sys::LocalPort(fd);
  HOLDS(port > 0 && Connects(port));
  EQUAL(sys::ListenTcp("127.0.0.1", port, false, 5), -EADDRINUSE);
  EQUAL(sys::ListenTcp("localhost", 0, false, 5), -EINVAL);
}

TEST(Dual, "listenTcp: all addresses, IPv4 through IPv6's socket too") {
  const int fd = sys::ListenTcp("", 0, false, 5);
  HOLDS(fd >= 0 && Connects(sys::LocalPort(fd)));
}

TEST(Unix, "listenUnix: a path; EADDRINUSE; ENAMETOOLONG; no port") {
  tap::Folder folder;
  const int fd = sys::ListenUnix(folder.File("a"), 5);
  HOLDS(fd >= 0);
  EQUAL(sys::LocalPort(fd), 0);
  EQUAL(sys::ListenUnix(folder.File("a"), 5), -EADDRINUSE);
  EQUAL(sys::ListenUnix(folder.path() + "/" + std::string(200, 'x'), 5), -ENAMETOOLONG);
}
