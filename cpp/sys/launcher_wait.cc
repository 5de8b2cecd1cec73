#include "sys/launcher_wait.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "sys/relay.h"

namespace sys {
namespace {

using Clock = std::chrono::steady_clock;
using Millis = std::chrono::milliseconds;

const Millis kGrace{kGraceMs};

int signal_pipe[2] = {-1, -1};

// Any thread may get the signal, so a byte wakes the main thread's poll, not EINTR.
void OnSignal(int number) {
  int saved = errno;
  auto byte = static_cast<unsigned char>(number);
  // A full pipe already contains wake-ups.
  (void)!write(signal_pipe[1], &byte, 1);
  errno = saved;
}

constexpr int kSignals[] = {SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};

int CatchSignals() {
  if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) != 0) return -errno;
  sigset_t caught;
  sigemptyset(&caught);
  for (int number : kSignals) {
    sigaddset(&caught, number);
    struct sigaction action;
    sigaction(number, nullptr, &action);
    // nohup(1) and shells' background jobs ignore some of these, and so must the launcher.
    if (action.sa_handler == SIG_IGN && number != SIGCHLD) continue;
    action = {};
    action.sa_handler = OnSignal;
    action.sa_flags = SA_RESTART;
    sigaction(number, &action, nullptr);
  }
  // Not the others: their handlers belong to the script, and may wait for a parked thread.
  pthread_sigmask(SIG_UNBLOCK, &caught, nullptr);
  return 0;
}

char record[1 << 16];
char stage[1 << 16] = "";
// The first reported failure, while further records are read to find the processes to end.
char failure[1 << 16] = "";

const char* Keep(const char* text, ssize_t size) {
  if (failure[0] == '\0') memcpy(failure, text, static_cast<size_t>(size));
  return failure;
}

class Wait {
 public:
  explicit Wait(const Launch& launch)
      : channel_(launch.channel), relay_(launch.relay, launch.log), middle_(launch.middle) {}

  End Run(Millis timeout) {
    End end = Watch(Clock::now() + timeout);
    // A daemon that has reported a failure ends by itself, with its own exit handlers.
    if (end.how != Birth::kReady) Stop(end.how == Birth::kFailed ? 0 : SIGTERM);
    relay_.PassTheRest();
    return end;
  }

 private:
  End Watch(Clock::time_point deadline) {
    while (true) {
      relay_.Pass();
      if (auto end = Records()) return *end;
      if (ready_ && MiddleGone(deadline)) {
        // The daemon's pid, which the middle process has sent before its end.
        Records();
        return {Birth::kReady, daemon_};
      }
      if (ready_) continue;
      if (int number = Interruption()) {
        return {Birth::kInterrupted, 0, number, stage};
      }
      if (auto end = Deaths()) return *end;
      auto now = Clock::now();
      if (channel_ < 0 && now >= closed_ + kGrace) return {Birth::kClosed, 0, 0, stage};
      if (now >= deadline) return {Birth::kTimeout, 0, 0, stage};
      Sleep(channel_ < 0 ? std::min(deadline, closed_ + kGrace) : deadline);
    }
  }

  void Sleep(Clock::time_point until) {
    // poll(2) ignores negative descriptors, which mark ended ones.
    pollfd fds[] = {{channel_, POLLIN, 0}, {signal_pipe[0], POLLIN, 0}, relay_.Awaited()};
    auto left = std::chrono::ceil<Millis>(std::min(until, relay_.Until()) - Clock::now()).count();
    if (left > 0) poll(fds, 3, static_cast<int>(left));
  }

  std::optional<End> Records() {
    while (channel_ >= 0) {
      ssize_t size = recv(channel_, record, sizeof record - 1, MSG_DONTWAIT);
      if (size < 0 && (errno == EAGAIN || errno == EINTR)) break;
      if (size <= 0) {
        // A dying process closes its descriptors before it can be reaped: its end comes next.
        channel_ = -1;
        closed_ = Clock::now();
        break;
      }
      record[size] = '\0';
      if (record[0] == 'r') ready_ = true;
      if (record[0] == 'f') return End{Birth::kFailed, 0, 0, Keep(record + 1, size)};
      if (record[0] == 'e') return CallFailed(Keep(record + 1, size));
      if (record[0] == 's') memcpy(stage, record + 1, static_cast<size_t>(size));
      if (record[0] == 't') handled_ = std::atoi(record + 1);
      if (record[0] == 'p') daemon_ = std::atoi(record + 1);
    }
    return std::nullopt;
  }

  static End CallFailed(const char* told) {
    const char* call = std::strchr(told, ' ');
    return {Birth::kCallFailed, -std::atoi(told), 0, call == nullptr ? "" : call + 1};
  }

  int Interruption() {
    unsigned char number;
    while (read(signal_pipe[0], &number, 1) == 1) {
      if (number != SIGCHLD) return number;
    }
    return 0;
  }

  // WNOWAIT: as long as the zombies are not reaped, their pids cannot be reused.
  static bool Dead(pid_t pid, siginfo_t* info) {
    info->si_pid = 0;
    return waitid(P_PID, pid, info, WEXITED | WNOHANG | WNOWAIT) == 0 && info->si_pid == pid;
  }

  // The middle process only has to exit, and must not be left to init as a zombie.
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

  std::optional<End> Deaths() {
    siginfo_t info{};
    bool middle = Dead(middle_, &info);
    // Its earlier records count first.
    if (auto end = Records(); end || ready_) return end;
    Birth who = Birth::kMiddleDied;
    if (daemon_ != 0) {
      if (!Dead(daemon_, &info)) return std::nullopt;
      if (auto end = Records(); end || ready_) return end;
      who = Birth::kDied;
    } else if (!middle) {
      return std::nullopt;
    }
    bool exited = info.si_code == CLD_EXITED;
    // The daemon's handler has turned the signal into an exit, so that exit handlers could run.
    if (exited && handled_ != 0) return End{who, 0, handled_, stage};
    if (exited) return End{who, info.si_status, 0, stage};
    return End{who, info.si_code == CLD_DUMPED, info.si_status, stage};
  }

  // The middle process leads the session's only process group, so the signal also reaches processes
  // that the daemon has started. Before its setsid(2) there is no such group.
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
      relay_.Pass();
      // The daemon may have failed before the middle process has announced it.
      Records();
      if (Interruption() != 0) break;
      Sleep(deadline);
    }
    Kill(SIGKILL);
    for (pid_t pid : {middle_, -middle_, daemon_}) {
      while (pid != 0 && (waitpid(pid, nullptr, 0) > 0 || errno == EINTR)) relay_.Pass();
    }
  }

  int channel_;
  Relay relay_;
  pid_t middle_;
  pid_t daemon_ = 0;
  bool ready_ = false;
  int handled_ = 0;
  Clock::time_point closed_{};
};

}  // namespace

End WaitForDaemon(const Launch& launch) {
  Wait wait(launch);
  int error = CatchSignals();
  if (error == 0) return wait.Run(Millis(launch.timeout));
  // Without the wait nothing would end the daemon.
  wait.Run(Millis(0));
  return {Birth::kError, error};
}

}  // namespace sys
