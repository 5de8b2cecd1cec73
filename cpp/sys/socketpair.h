// socketpair(2) and what becomeDaemon() says over it.
#pragma once

#include <string>
#include <vector>

namespace sys {

// Two connected CLOEXEC sockets, of records (SOCK_SEQPACKET) or of bytes (SOCK_STREAM); one
// element that is negative is -errno.
std::vector<int> Socketpair(bool records);

// Sends one record. 0, or -errno: -EPIPE if the other side is gone (no SIGPIPE is raised).
int SendRecord(int fd, const std::string& record);

// The same, but only if all that was sent before has been read: -EAGAIN otherwise. What may be lost
// takes no room from what may not.
int SendRecordIfRead(int fd, const std::string& record);

// Waits until the other side is closed. True, or false after `timeout_ms`.
bool AwaitHangup(int fd, int timeout_ms);

}  // namespace sys
