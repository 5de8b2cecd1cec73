#include "sys/launcher.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>

#include "sys/launcher_wait.h"
#include "sys/notify.h"
#include "sys/stdio.h"

namespace sys {
namespace {

Outcome ToOutcome(const End& end) {
  return {static_cast<int>(end.how), end.code, end.signal, end.text};
}

void SayReady(const Launch& launch, int pid) {
  char digits[16];
  snprintf(digits, sizeof digits, "%d", pid);
  for (const char* text : {launch.before, static_cast<const char*>(digits), launch.after}) {
    for (size_t left = strlen(text); left > 0;) {
      pollfd ready{launch.say, POLLOUT, 0};
      if (poll(&ready, 1, kGraceMs) <= 0) return;
      const ssize_t size = write(launch.say, text, left < PIPE_BUF ? left : PIPE_BUF);
      if (size < 0) return;
      text += size;
      left -= static_cast<size_t>(size);
    }
  }
}

}  // namespace

Outcome AwaitBirth(int channel, int relay, int log, int middle, int timeout) {
  return ToOutcome(WaitForDaemon({channel, relay, log, middle, timeout, -1, -1, nullptr, nullptr}));
}

Outcome AwaitBirthHeld(const Launch& launch, void (*release)()) {
  const End end = WaitForDaemon(launch);
  if (end.how == Birth::kReady) {
    // Until now the launcher was the main process, so it must report.
    if (launch.notify >= 0) NotifyReady(launch.notify, end.code);
    if (launch.say >= 0) SayReady(launch, end.code);
    GiveBackStandard();
    _exit(0);
  }
  release();
  return ToOutcome(end);
}

void AnnounceChild(int channel, int pid) {
  char text[16];
  const int size = snprintf(text, sizeof text, "p%d", pid);
  (void)!send(channel, text, static_cast<size_t>(size), MSG_NOSIGNAL);
}

int WriteAll(int fd, const std::string& text) {
  for (size_t done = 0; done < text.size();) {
    ssize_t size = write(fd, text.data() + done, text.size() - done);
    if (size >= 0) {
      done += static_cast<size_t>(size);
    } else if (errno == EAGAIN) {
      pollfd ready{fd, POLLOUT, 0};
      poll(&ready, 1, -1);
    } else if (errno != EINTR) {
      return -errno;
    }
  }
  return 0;
}

void ResetTerminal() {
  uv_tty_reset_mode();
}

}  // namespace sys
