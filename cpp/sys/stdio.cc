#include "sys/stdio.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>

namespace sys {

namespace {

using Clock = std::chrono::steady_clock;

// What POLLOUT promises that a pipe takes without blocking (4,096 bytes on Linux, 512 on FreeBSD):
// the descriptor may be a blocking one.
constexpr size_t kPiece = PIPE_BUF;

bool AwaitWritable(int fd, Clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    pollfd ready{fd, POLLOUT, 0};
    const int count = poll(&ready, 1, static_cast<int>(std::max<int64_t>(left.count(), 0)));
    if (count >= 0 || errno != EINTR) return count == 1;
  }
}

}  // namespace

int WriteWithin(int fd, ByteSpan bytes, int milliseconds) {
  const auto deadline = Clock::now() + std::chrono::milliseconds(milliseconds);
  size_t done = 0;
  while (done < bytes.size && AwaitWritable(fd, deadline)) {
    const ssize_t size = write(fd, bytes.data + done, std::min(bytes.size - done, kPiece));
    if (size >= 0) {
      done += static_cast<size_t>(size);
    } else if (errno != EINTR && errno != EAGAIN) {
      break;
    }
  }
  return static_cast<int>(done);
}

}  // namespace sys
