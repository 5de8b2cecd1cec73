#include "sys/reexec.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <string_view>

#include "sys/fd.h"
#include "sys/result.h"
#include "sys/signal_action.h"

// POSIX wants it, and has no header declare it.
extern char** environ;

namespace sys {
namespace {

using Strings = std::vector<std::string>;

constexpr size_t kDigits = 10;  // of an int

// Text in memory that was reserved before. In a fork of a process with threads only
// async-signal-safe functions may be called, and malloc(3) and snprintf(3) are not. Source:
// signal-safety(7).
class Text {
 public:
  Text(char* at, size_t room) : at_(at), room_(room) {}

  Text& Put(const char* text) {
    const size_t count = std::min(std::strlen(text), room_);
    std::memcpy(at_, text, count);
    at_ += count;
    room_ -= count;
    return *this;
  }

  Text& Put(int number) {
    char digits[kDigits + 1] = {};
    char* first = digits + kDigits;
    for (int rest = number; rest != 0; rest /= 10) *--first = static_cast<char>('0' + rest % 10);
    return Put(first);
  }

 private:
  char* at_;
  size_t room_;
};

// One of cpp/sys/launcher.h's records.
class Record {
 public:
  template <typename T>
  Record& Put(T item) {
    text_.Put(item);
    return *this;
  }

  void Send(int channel) {
    (void)!send(channel, bytes_, std::strlen(bytes_), MSG_NOSIGNAL | MSG_EOR);
  }

 private:
  char bytes_[128] = {};
  Text text_{bytes_, sizeof bytes_ - 1};
};

constexpr char kStage[] = "sthe script was started again, but had not called becomeDaemon() yet";

// execve(2) takes non-const pointers, but does not change the text.
char* Mutable(const std::string& text) {
  return const_cast<char*>(text.c_str());
}

bool Named(std::string_view entry, const Strings& names) {
  return std::find(names.begin(), names.end(), entry.substr(0, entry.find('='))) != names.end();
}

std::vector<char*> EnvironmentWithout(const Strings& omit) {
  std::vector<char*> entries;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!Named(*entry, omit)) entries.push_back(*entry);
  }
  return entries;
}

// The arguments of execve(2).
class Program {
 public:
  Program(const std::string& path, const Strings& argv, std::vector<char*> environment,
          Strings numbered)
      : path_(path), numbered_(std::move(numbered)), envp_(std::move(environment)) {
    for (const auto& text : argv) argv_.push_back(Mutable(text));
    argv_.push_back(nullptr);
    for (auto& entry : numbered_) {
      ends_.push_back(entry.size());
      entry.append(kDigits, '\0');
      envp_.push_back(entry.data());
    }
    envp_.push_back(nullptr);
  }

  void SetPid(int pid) {
    for (size_t i = 0; i < numbered_.size(); ++i) {
      Text(numbered_[i].data() + ends_[i], kDigits).Put(pid);
    }
  }

  int Start() const { return execve(path_.c_str(), argv_.data(), envp_.data()); }

 private:
  const std::string& path_;
  Strings numbered_;
  std::vector<size_t> ends_;
  std::vector<char*> argv_;
  std::vector<char*> envp_;
};

// The part that runs in the children.
class Newborn {
 public:
  Newborn(Program* program, const char* directory, const std::vector<int>& standard,
          const std::vector<int>& pass, int channel)
      : program_(program),
        directory_(directory),
        standard_(standard),
        pass_(pass),
        channel_(channel) {}

  [[noreturn]] void Run() const {
    Must("setsid", setsid());
    // Some systems send SIGHUP to a session when its leader exits, as this one is about to.
    signal(SIGHUP, SIG_IGN);
    const int daemon = Must("fork", fork());
    if (daemon > 0) {
      Record().Put("p").Put(daemon).Send(channel_);
      _exit(0);
    }
    Record().Put(kStage).Send(channel_);
    Execute();
  }

  [[noreturn]] void Execute() const {
    program_->SetPid(getpid());
    PassDescriptors();
    if (*directory_ != '\0') Must("chdir", chdir(directory_));
    ResetSignals();
    Must("execve", program_->Start());
    _exit(1);
  }

 private:
  int Must(const char* call, int result) const {
    if (result >= 0) return result;
    Record().Put("e").Put(errno).Put(" ").Put(call).Send(channel_);
    _exit(1);
  }

  void PassDescriptors() const {
    int sources[3];
    for (int fd = 0; fd < 3; ++fd) {
      // Moved above 2, in case the program has closed some of 0, 1 and 2.
      sources[fd] = Must("fcntl", fcntl(standard_[fd], F_DUPFD_CLOEXEC, 3));
    }
    for (int fd = 0; fd < 3; ++fd) Must("dup2", dup2(sources[fd], fd));
    CloseRange(3, UINT_MAX, true, kAny);
    for (int fd : pass_) Must("fcntl", fcntl(fd, F_SETFD, 0));
  }

  // execve(2) removes handlers, but ignored signals stay ignored, and the mask stays.
  static void ResetSignals() {
    for (int number = 1; number < kSignals; ++number) {
      // EINVAL for SIGKILL, SIGSTOP, libc's own signals, and numbers above the last.
      signal(number, SIG_DFL);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
  }

  Program* program_;
  const char* directory_;
  const std::vector<int>& standard_;
  const std::vector<int>& pass_;
  int channel_;
};

template <typename F>
int Make(F run) {
  // The runtime's handler would report signals of the children to the caller's event loop, over the
  // shared pipe.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int child = Result(fork());
  if (child == 0) run();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return child;
}

}  // namespace

int Reexec(const std::string& program, const Strings& argv, const Strings& omit,
           const Strings& numbered, const std::string& directory, const std::vector<int>& standard,
           const std::vector<int>& pass, int channel) {
  Program image(program, argv, EnvironmentWithout(omit), numbered);
  const Newborn child(&image, directory.c_str(), standard, pass, channel);
  return Make([&child] { child.Run(); });
}

int StartBeside(const std::string& program, const Strings& argv, const Strings& environment,
                const Strings& numbered, const std::string& directory,
                const std::vector<int>& standard, const std::vector<int>& pass, int channel) {
  std::vector<char*> entries;
  for (const auto& text : environment) entries.push_back(Mutable(text));
  Program image(program, argv, std::move(entries), numbered);
  const Newborn child(&image, directory.c_str(), standard, pass, channel);
  return Make([&child] { child.Execute(); });
}

}  // namespace sys
