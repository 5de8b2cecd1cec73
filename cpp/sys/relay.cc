#include "sys/relay.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace sys {
namespace {

constexpr std::chrono::milliseconds kPatience{1000};
// poll(2) reports a pipe as writable when a page of it is free.
constexpr size_t kChunk = 4096;
constexpr int kChunksAtATime = 64;

bool Ready(int fd, short events, int milliseconds) {
  pollfd ready{fd, events, 0};
  return poll(&ready, 1, milliseconds) != 0;
}

bool TakesMore() {
  return Ready(STDERR_FILENO, POLLOUT, 0);
}

}  // namespace

bool Relay::Waits() const {
  return stuck_ != Clock::time_point{} && Clock::now() < stuck_ + kPatience;
}

bool Relay::Pass() {
  for (int chunk = 0; chunk < kChunksAtATime; chunk++) {
    if (line_ < 0 || !Ready(line_, POLLIN, 0)) return false;
    if (TakesMore()) {
      stuck_ = {};
    } else if (stuck_ == Clock::time_point{}) {
      stuck_ = Clock::now();
    }
    if (Waits()) return true;
    char bytes[kChunk];
    const ssize_t size = recv(line_, bytes, sizeof bytes, MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (size <= 0) {
      line_ = -1;
      return false;
    }
    Put(bytes, static_cast<size_t>(size));
  }
  return true;
}

void Relay::Put(const char* bytes, size_t size) {
  if (stuck_ == Clock::time_point{}) {
    TellLost();
    (void)!write(STDERR_FILENO, bytes, size);
  } else {
    lost_ += size;
  }
  if (log_ >= 0) (void)!write(log_, bytes, size);
}

void Relay::TellLost() {
  if (lost_ == 0) return;
  char words[96];
  const int size =
      snprintf(words, sizeof words,
               "\ndaemonkit: %zu bytes were lost, because no process read them\n", lost_);
  lost_ = 0;
  (void)!write(STDERR_FILENO, words, static_cast<size_t>(size));
}

void Relay::PassTheRest() {
  // Long enough to give up a reader that has just stopped, so that the log gets everything.
  const auto deadline = Clock::now() + 2 * kPatience;
  while (Pass() && Clock::now() < deadline) {
    if (Waits()) Ready(STDERR_FILENO, POLLOUT, 50);
  }
  if (TakesMore()) TellLost();
}

pollfd Relay::Awaited() const {
  // Pending data waits for its reader.
  if (Waits()) return {STDERR_FILENO, POLLOUT, 0};
  return {line_, POLLIN, 0};
}

Relay::Clock::time_point Relay::Until() const {
  return Waits() ? stuck_ + kPatience : Clock::time_point::max();
}

}  // namespace sys
