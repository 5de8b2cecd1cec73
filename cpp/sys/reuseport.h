// Several sockets that listen on one address, each with a queue of its own.
#pragma once

#include <vector>

namespace sys {

// SO_REUSEPORT, of the kind that spreads connections. setsockopt(2)'s answer.
int ReusePort(int fd);

// Has new connections go to these sockets of the group of `fd` only, by chance. They are counted
// from 0 in the order in which they were told to listen; none may have been closed. 0 or -errno.
int Steer(int fd, const std::vector<unsigned>& sockets);

}  // namespace sys
