// An I/O thread as a messaging library has one: its own epoll, and a connection to another process
// that sends numbered messages, each of which is acknowledged.
#pragma once

#include <cstdint>

namespace wire {

// The last message's number.
constexpr uint64_t kLast = ~uint64_t{0};

// Connects to 127.0.0.1:port and starts the thread. Returns 0 or -errno.
int Start(int port);
// Ends the thread and closes what it had.
int Stop();

struct Counts {
  int64_t received;
  int64_t missing;  // missing numbers: another process has read them
  int64_t cut;      // epoll_wait(2) without a timeout that came back empty
  bool finished;    // the last message has come
  bool ended;       // the connection is at its end
};
Counts Now();

}  // namespace wire
