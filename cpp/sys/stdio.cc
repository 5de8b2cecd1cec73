#include "sys/stdio.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>

#include "sys/result.h"

namespace sys {

namespace {

using Clock = std::chrono::steady_clock;

// POLLOUT guarantees that a pipe accepts this without blocking (4,096 bytes on Linux, 512 on
// FreeBSD). The descriptor may be in blocking mode.
constexpr size_t kPiece = PIPE_BUF;

// Which of 0, 1 and 2 the starter has made non-blocking.
bool starters[3] = {};

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

int MakeBlocking(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return -errno;
  return (flags & O_NONBLOCK) == 0 ? 0 : Result(fcntl(fd, F_SETFL, flags & ~O_NONBLOCK));
}

void RememberStandard(const std::vector<int>& handles) {
  [[maybe_unused]] static const bool once = [&handles] {
    for (int fd = 0; fd < 3; fd++) {
      const bool ours = std::find(handles.begin(), handles.end(), fd) != handles.end();
      starters[fd] = !ours && (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0;
    }
    return true;
  }();
}

void GiveBackStandard() {
  for (int fd = 0; fd < 3; fd++) {
    if (!starters[fd]) MakeBlocking(fd);
  }
}

}  // namespace sys
