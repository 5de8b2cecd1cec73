// socketpair(2), and the records of becomeDaemon() on it.
#pragma once

#include <string>
#include <vector>

namespace sys {

// Two connected close-on-exec sockets, of records (SOCK_SEQPACKET) or of bytes (SOCK_STREAM). A
// single negative element is -errno.
std::vector<int> Socketpair(bool records);

// Sends one record. 0, or -errno: -EPIPE if the other side is closed (without SIGPIPE).
int SendRecord(int fd, const std::string& record);

// The same, but only if all earlier records have been read: -EAGAIN otherwise. So records that may
// be lost leave room for others.
int SendRecordIfRead(int fd, const std::string& record);

// Waits until the other side is closed. True, or false after `timeout_ms`.
bool AwaitHangup(int fd, int timeout_ms);

}  // namespace sys
