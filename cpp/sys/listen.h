// socket(2), bind(2), listen(2) in one, and getsockname(2). Each returns its value, or -errno.
#pragma once

#include <string>

namespace sys {

// Which other sockets of the same user may listen on the address (SO_REUSEPORT): none; all that
// have the option too; or only later ones, if none listens there now.
enum Company : int { kAlone, kAnybody, kFollowers };

// A listening TCP socket on a numeric address, close-on-exec and non-blocking. The empty address
// means all addresses of the machine: by IPv6 with mapped IPv4, or by IPv4 where there is no IPv6.
int ListenTcp(const std::string& address, int port, bool ipv6_only, int backlog,
              int company = kAlone);

// One more socket on the address of `fd`.
int ListenBeside(int fd, int backlog);

// The same for a socket in the file system. Its file has the permissions `mode` (-1: those that the
// umask leaves) and `also`. -ENAMETOOLONG if the path does not fit into sockaddr_un.
int ListenUnix(const std::string& path, int backlog, int mode = -1, int also = 0);

// Whether a process accepts connections there: 0, or -ECONNREFUSED or another error of connect(2).
int ConnectUnix(const std::string& path);

// Whether it is a listening socket: 1, 0, or -errno.
int IsListening(int fd);

// The port of a socket; 0 for a family without ports.
int LocalPort(int fd);

// The peer of a connected stream socket: an address and port, or a path. Empty for everything else,
// and for an end of a socketpair(2).
std::string PeerAddress(int fd);

}  // namespace sys
