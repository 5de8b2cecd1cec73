// The control message that tells the receiver of a datagram another process as its sender.
#pragma once

#include <sys/socket.h>

namespace sys {

// The bytes it takes; 0 where there is no such thing.
size_t SenderSpace();

// Writes it, with this process's real user and group.
void PutSender(cmsghdr* header, int pid);

}  // namespace sys
