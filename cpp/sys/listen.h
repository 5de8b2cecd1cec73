// socket(2), bind(2), listen(2) in one, and getsockname(2). Each returns its value, or -errno.
#pragma once

#include <string>

namespace sys {

// A listening TCP socket on a numeric address, close-on-exec and non-blocking. The empty address is
// all of the machine's: the IPv6 one with IPv4 mapped into it, or the IPv4 one where there is no
// IPv6.
int ListenTcp(const std::string& address, int port, bool ipv6_only, int backlog);

// The same for a socket in the file system. -ENAMETOOLONG if the path does not fit sockaddr_un.
int ListenUnix(const std::string& path, int backlog);

// The port that a socket is bound to; 0 for a family without ports.
int LocalPort(int fd);

}  // namespace sys
