// socket(2), bind(2), listen(2) in one, and getsockname(2). Each returns its value, or -errno.
#pragma once

#include <string>

namespace sys {

// Who else may listen on the address (SO_REUSEPORT), of the same user: nobody; whoever asks for it
// too; or those that come later, if nobody listens there now.
enum Company : int { kAlone, kAnybody, kFollowers };

// A listening TCP socket on a numeric address, close-on-exec and non-blocking. The empty address is
// all of the machine's: the IPv6 one with IPv4 mapped into it, or the IPv4 one where there is no
// IPv6.
int ListenTcp(const std::string& address, int port, bool ipv6_only, int backlog,
              int company = kAlone);

// One more socket on the address of one that has the option.
int ListenBeside(int fd, int backlog);

// The same for a socket in the file system, whose file has the permissions `mode` (-1: as the umask
// has it) and those of `also`. -ENAMETOOLONG if the path does not fit sockaddr_un.
int ListenUnix(const std::string& path, int backlog, int mode = -1, int also = 0);

// Whether somebody accepts connections there: 0, or -ECONNREFUSED and what else connect(2) says.
int ConnectUnix(const std::string& path);

// Whether it is a socket that listens: 1, 0, or -errno.
int IsListening(int fd);

// The port that a socket is bound to; 0 for a family without ports.
int LocalPort(int fd);

// Whom a connected stream socket leads to: an address and port, or a path. Empty for everything
// else, and for one end of a socketpair(2).
std::string PeerAddress(int fd);

}  // namespace sys
