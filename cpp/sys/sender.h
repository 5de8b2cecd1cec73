// The control message that names another process as the sender of a datagram.
#pragma once

#include <sys/socket.h>

namespace sys {

// Its size in bytes; 0 if the system has none.
size_t SenderSpace();

// Writes it, with this process's real user and group.
void PutSender(cmsghdr* header, int pid);

}  // namespace sys
