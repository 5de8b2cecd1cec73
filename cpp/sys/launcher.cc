#include "sys/launcher.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "sys/result.h"

namespace sys {
namespace {

using Clock = std::chrono::steady_clock;
using Millis = std::chrono::milliseconds;

// How long the daemon may take to end after SIGTERM, and to be dead after its channel closed.
constexpr Millis kGrace{2000};

int signal_pipe[2] = {-1, -1};

// Any thread may take the signal, so that the main thread's poll is woken by a byte, not by EINTR.
void OnSignal(int number) {
  int saved = errno;
  auto byte = static_cast<unsigned char>(number);
  // Full means that wake-ups are waiting already.
  (void)!write(signal_pipe[1], &byte, 1);
  errno = saved;
}

int CatchSignals() {
  if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) != 0) return -errno;
  for (int number : {SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM}) {
    struct sigaction action;
    sigaction(number, nullptr, &action);
    // nohup(1) and shells' background jobs ignore some of these; that holds for the launcher too.
    if (action.sa_handler == SIG_IGN && number != SIGCHLD) continue;
    action = {};
    action.sa_handler = OnSignal;
    action.sa_flags = SA_RESTART;
    sigaction(number, &action, nullptr);
  }
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
  return 0;
}

Outcome Ended(Birth how, int code = 0, int signal = 0, std::string text = {}) {
  return {static_cast<int>(how), code, signal, std::move(text)};
}

class Wait {
 public:
  Wait(int channel, int relay, int log, pid_t middle)
      : channel_(channel), relay_(relay), log_(log), middle_(middle) {}

  Outcome Run(Millis timeout) {
    Outcome outcome = Watch(Clock::now() + timeout);
    auto how = static_cast<Birth>(std::get<0>(outcome));
    // One that has told why it failed is ending by itself, with its own exit handlers.
    if (how != Birth::kReady) Stop(how == Birth::kFailed ? 0 : SIGTERM);
    Relay();
    return outcome;
  }

 private:
  Outcome Watch(Clock::time_point deadline) {
    while (true) {
      Relay();
      if (auto outcome = Records()) return *outcome;
      if (ready_ && MiddleGone(deadline)) {
        // The daemon's pid, which the middle process has told before its end.
        Records();
        return Ended(Birth::kReady, daemon_);
      }
      if (ready_) continue;
      if (int number = Interruption()) {
        return Ended(Birth::kInterrupted, 0, number, stage_);
      }
      if (auto outcome = Deaths()) return *outcome;
      auto now = Clock::now();
      if (channel_ < 0 && now >= closed_ + kGrace) return Ended(Birth::kClosed, 0, 0, stage_);
      if (now >= deadline) return Ended(Birth::kTimeout, 0, 0, stage_);
      Sleep(channel_ < 0 ? std::min(deadline, closed_ + kGrace) : deadline);
    }
  }

  void Sleep(Clock::time_point until) {
    // poll(2) skips negative descriptors: those that have ended.
    pollfd fds[] = {{channel_, POLLIN, 0}, {relay_, POLLIN, 0}, {signal_pipe[0], POLLIN, 0}};
    auto left = std::chrono::ceil<Millis>(until - Clock::now()).count();
    if (left > 0) poll(fds, 3, static_cast<int>(left));
  }

  std::optional<Outcome> Records() {
    static char record[1 << 16];
    while (channel_ >= 0) {
      ssize_t size = recv(channel_, record, sizeof record - 1, MSG_DONTWAIT);
      if (size < 0 && (errno == EAGAIN || errno == EINTR)) break;
      if (size <= 0) {
        // Descriptors are closed before a dying process can be waited for: its death comes next.
        channel_ = -1;
        closed_ = Clock::now();
        break;
      }
      record[size] = '\0';
      if (record[0] == 'r') ready_ = true;
      if (record[0] == 'f') return Ended(Birth::kFailed, 0, 0, record + 1);
      if (record[0] == 'e') return CallFailed(record + 1);
      if (record[0] == 's') stage_ = record + 1;
      if (record[0] == 't') handled_ = std::atoi(record + 1);
      if (record[0] == 'p') daemon_ = std::atoi(record + 1);
    }
    return std::nullopt;
  }

  static Outcome CallFailed(const char* told) {
    const char* call = std::strchr(told, ' ');
    return Ended(Birth::kCallFailed, -std::atoi(told), 0, call == nullptr ? "" : call + 1);
  }

  int Interruption() {
    unsigned char number;
    while (read(signal_pipe[0], &number, 1) == 1) {
      if (number != SIGCHLD) return number;
    }
    return 0;
  }

  // WNOWAIT: as long as the zombies are not reaped their numbers cannot belong to strangers.
  static bool Dead(pid_t pid, siginfo_t* info) {
    info->si_pid = 0;
    return waitid(P_PID, pid, info, WEXITED | WNOHANG | WNOWAIT) == 0 && info->si_pid == pid;
  }

  // It has nothing to do any more but to exit, and shall not be left to init as a zombie.
  bool MiddleGone(Clock::time_point deadline) {
    siginfo_t info;
    if (!Dead(middle_, &info) && Interruption() == 0 && Clock::now() < deadline) {
      Sleep(deadline);
      return false;
    }
    kill(middle_, SIGKILL);
    waitpid(middle_, nullptr, 0);
    return true;
  }

  std::optional<Outcome> Deaths() {
    siginfo_t info{};
    bool middle = Dead(middle_, &info);
    // What it said before it died counts first.
    if (auto outcome = Records(); outcome || ready_) return outcome;
    Birth who = Birth::kMiddleDied;
    if (daemon_ != 0) {
      if (!Dead(daemon_, &info)) return std::nullopt;
      if (auto outcome = Records(); outcome || ready_) return outcome;
      who = Birth::kDied;
    } else if (!middle) {
      return std::nullopt;
    }
    bool exited = info.si_code == CLD_EXITED;
    // Its handler has turned the signal into an exit, so that its exit handlers could run.
    if (exited && handled_ != 0) return Ended(who, 0, handled_, stage_);
    if (exited) return Ended(who, info.si_status, 0, stage_);
    return Ended(who, info.si_code == CLD_DUMPED, info.si_status, stage_);
  }

  void Relay() {
    char bytes[1 << 14];
    while (relay_ >= 0) {
      ssize_t size = recv(relay_, bytes, sizeof bytes, MSG_DONTWAIT);
      if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
      if (size <= 0) {
        relay_ = -1;
        return;
      }
      std::string text(bytes, static_cast<size_t>(size));
      WriteAll(STDERR_FILENO, text);
      if (log_ >= 0) WriteAll(log_, text);
    }
  }

  // The middle process leads the session's only process group, so that what the daemon has
  // started meanwhile is reached too. Before its setsid(2) there is no such group yet.
  void Kill(int number) {
    kill(middle_, number);
    kill(-middle_, number);
    if (daemon_ > 0) kill(daemon_, number);
  }

  bool AllDead() {
    siginfo_t info;
    return Dead(middle_, &info) && (daemon_ == 0 || Dead(daemon_, &info));
  }

  void Stop(int first) {
    auto deadline = Clock::now() + kGrace;
    Kill(first);
    while (Clock::now() < deadline && !AllDead()) {
      Relay();
      // The daemon may have failed before the middle process has announced it.
      Records();
      if (Interruption() != 0) break;
      Sleep(deadline);
    }
    Kill(SIGKILL);
    for (pid_t pid : {middle_, -middle_, daemon_}) {
      while (pid != 0 && (waitpid(pid, nullptr, 0) > 0 || errno == EINTR)) Relay();
    }
  }

  int channel_;
  int relay_;
  int log_;
  pid_t middle_;
  pid_t daemon_ = 0;
  bool ready_ = false;
  int handled_ = 0;
  std::string stage_;
  Clock::time_point closed_{};
};

}  // namespace

Outcome AwaitBirth(int channel, int relay, int log, int middle, int timeout_ms) {
  Wait wait(channel, relay, log, middle);
  int error = CatchSignals();
  if (error == 0) return wait.Run(Millis(timeout_ms));
  // Without the wait nobody would end the daemon.
  wait.Run(Millis(0));
  return Ended(Birth::kError, error);
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
