#include "sys/listen.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

#include "sys/result.h"
#include "sys/reuseport.h"
#include "sys/socket_mode.h"

namespace sys {

namespace {

union Address {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
  sockaddr_un local;
};

int Abandon(int fd) {
  const int error = errno;
  close(fd);
  return -error;
}

int Listen(int fd, const Address& address, socklen_t size, int backlog) {
  if (bind(fd, &address.any, size) != 0 || listen(fd, backlog) != 0) return Abandon(fd);
  return fd;
}

int OpenSocket(int family) {
  return Result(socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

// The requested properties besides the address.
struct Wish {
  bool ipv6_only;
  int backlog;
  Company company;
};

int Prepare(int fd, bool ipv6, bool ipv6_only) {
  const int on = 1;
  // Without it the connections of a server that has just ended block the port for a minute.
  if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0) return -1;
  const int only = ipv6_only;
  // Always set, because the administrator can change the default (bindv6only), and FreeBSD's
  // default differs.
  return ipv6 ? setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only) : 0;
}

int ListenIp(const Address& address, socklen_t size, const Wish& wish) {
  const int fd = OpenSocket(address.any.sa_family);
  if (fd < 0) return fd;
  if (Prepare(fd, address.any.sa_family == AF_INET6, wish.ipv6_only) != 0) return Abandon(fd);
  if (wish.company == kAlone) return Listen(fd, address, size, wish.backlog);
  if (wish.company == kAnybody && ReusePort(fd) != 0) return Abandon(fd);
  if (bind(fd, &address.any, size) != 0) return Abandon(fd);
  // A socket that already has the option shares the port with other listeners of the same user.
  if (wish.company == kFollowers && ReusePort(fd) != 0) return Abandon(fd);
  return listen(fd, wish.backlog) == 0 ? fd : Abandon(fd);
}

int ListenIpv4(in_addr host, int port, const Wish& wish) {
  Address address{};
  address.v4.sin_family = AF_INET;
  address.v4.sin_port = htons(static_cast<uint16_t>(port));
  address.v4.sin_addr = host;
  return ListenIp(address, sizeof address.v4, wish);
}

int ListenIpv6(const in6_addr& host, int port, const Wish& wish) {
  Address address{};
  address.v6.sin6_family = AF_INET6;
  address.v6.sin6_port = htons(static_cast<uint16_t>(port));
  address.v6.sin6_addr = host;
  return ListenIp(address, sizeof address.v6, wish);
}

bool LocalAddress(const std::string& path, Address* address) {
  address->local.sun_family = AF_UNIX;
  if (path.size() >= sizeof address->local.sun_path) return false;
  memcpy(address->local.sun_path, path.c_str(), path.size() + 1);
  return true;
}

// An abstract name begins with a null byte, which is shown as @ by convention.
std::string Path(const sockaddr_un& local, socklen_t size) {
  constexpr size_t kStart = offsetof(sockaddr_un, sun_path);
  if (size <= kStart) return {};
  std::string name(local.sun_path, size - kStart);
  if (name[0] == '\0') return "@" + name.substr(1);
  return name.c_str();
}

}  // namespace

int ListenTcp(const std::string& address, int port, bool ipv6_only, int backlog, int company) {
  const Wish wish{ipv6_only, backlog, static_cast<Company>(company)};
  in_addr v4{};
  in6_addr v6{};
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) return ListenIpv4(v4, port, wish);
  if (inet_pton(AF_INET6, address.c_str(), &v6) == 1) return ListenIpv6(v6, port, wish);
  if (!address.empty()) return -EINVAL;
  const int fd = ListenIpv6(in6addr_any, port, wish);
  // A kernel without IPv6 fails at socket(2) (a FreeBSD jail without it with EPROTONOSUPPORT), and
  // one with disabled IPv6 addresses at bind(2).
  const bool none =
      fd == -EAFNOSUPPORT || fd == -EPROTONOSUPPORT || fd == -EADDRNOTAVAIL || fd == -EINVAL;
  return none && !ipv6_only ? ListenIpv4(v4, port, wish) : fd;
}

int ListenBeside(int fd, int backlog) {
  Address address{};
  socklen_t size = sizeof address;
  if (getsockname(fd, &address.any, &size) != 0) return -errno;
  const bool ipv6 = address.any.sa_family == AF_INET6;
  if (!ipv6 && address.any.sa_family != AF_INET) return -EAFNOSUPPORT;
  int only = 0;
  socklen_t length = sizeof only;
  if (ipv6 && getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &length) != 0) return -errno;
  // A socket that was alone on its port, for example one that workers share, is not alone from here
  // on: listen(2) of the next one makes the two a group (reuseport_add_sock() in Linux's
  // net/core/sock_reuseport.c).
  if (ReusePort(fd) != 0) return -errno;
  return ListenIp(address, size, {only != 0, backlog, kAnybody});
}

int ListenUnix(const std::string& path, int backlog, int mode, int also) {
  Address address{};
  if (!LocalAddress(path, &address)) return -ENAMETOOLONG;
  const int fd = OpenSocket(AF_UNIX);
  if (fd < 0) return fd;
  if (mode >= 0) NarrowNextFile(fd, mode);
  if (bind(fd, &address.any, sizeof address.local) != 0) return Abandon(fd);
  // Before any client can connect.
  int error = mode < 0 && also == 0 ? 0 : SetSocketMode(path.c_str(), mode, also);
  if (error == 0 && listen(fd, backlog) == 0) return fd;
  const int listening = Abandon(fd);
  // bind(2) has made the file.
  unlink(address.local.sun_path);
  return error == 0 ? listening : error;
}

int ConnectUnix(const std::string& path) {
  Address address{};
  if (!LocalAddress(path, &address)) return -ENAMETOOLONG;
  const int fd = OpenSocket(AF_UNIX);
  if (fd < 0) return fd;
  const int error = connect(fd, &address.any, sizeof address.local) == 0 ? 0 : -errno;
  close(fd);
  return error;
}

int IsListening(int fd) {
  int listening = 0;
  socklen_t size = sizeof listening;
  const int error = Result(getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size));
  return error < 0 ? error : listening;
}

int LocalPort(int fd) {
  Address address{};
  socklen_t size = sizeof address;
  if (getsockname(fd, &address.any, &size) != 0) return -errno;
  if (address.any.sa_family == AF_INET) return ntohs(address.v4.sin_port);
  if (address.any.sa_family == AF_INET6) return ntohs(address.v6.sin6_port);
  return 0;
}

std::string PeerAddress(int fd) {
  int type = 0;
  socklen_t size = sizeof type;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM) return {};
  Address address{};
  size = sizeof address;
  if (getpeername(fd, &address.any, &size) != 0) return {};
  char text[INET6_ADDRSTRLEN];
  switch (address.any.sa_family) {
    case AF_INET:
      inet_ntop(AF_INET, &address.v4.sin_addr, text, sizeof text);
      return std::string(text) + ":" + std::to_string(ntohs(address.v4.sin_port));
    case AF_INET6:
      inet_ntop(AF_INET6, &address.v6.sin6_addr, text, sizeof text);
      return "[" + std::string(text) + "]:" + std::to_string(ntohs(address.v6.sin6_port));
    case AF_UNIX:
      return Path(address.local, size);
    default:
      return {};
  }
}

}  // namespace sys
