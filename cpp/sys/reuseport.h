// Several listening sockets on one address, each with its own queue.
#pragma once

#include <vector>

namespace sys {

// Sets the kind of SO_REUSEPORT that distributes connections. Returns the result of setsockopt(2).
int ReusePort(int fd);

// Directs new connections to random ones of these sockets in the group of `fd`. Sockets are
// numbered from 0 in the order of their listen(2) calls; none may have been closed. 0 or -errno.
int Steer(int fd, const std::vector<unsigned>& sockets);

}  // namespace sys
