#include "sys/exec.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>
#include <utility>

#include "sys/dispositions.h"
#include "sys/result.h"
#include "sys/signal_action.h"

// POSIX wants it, and has no header declare it.
extern char** environ;

namespace sys {
namespace {

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  // execve(2) takes non-const pointers, but does not change the text.
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// Finds the most common errors before anything is changed. Executing a file needs permission to see
// it, and no privilege allows executing a file without any execute bit: execve(2),
// acl_permission_check() of Linux.
int Refused(const char* path) {
  struct stat found {};
  if (stat(path, &found) != 0) return -errno;
  const bool executable = S_ISREG(found.st_mode) && (found.st_mode & 0111) != 0;
  return executable ? 0 : -EACCES;
}

// The flags of descriptors: close-on-exec, and O_NONBLOCK of the open files behind 0, 1 and 2.
class Descriptors {
 public:
  explicit Descriptors(const std::vector<int>& keep) {
    for (int fd : keep) Clear(fd, F_GETFD, F_SETFD, FD_CLOEXEC);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
      Clear(fd, F_GETFD, F_SETFD, FD_CLOEXEC);
      // As libuv does for child processes: few programs handle EAGAIN from a read.
      Clear(fd, F_GETFL, F_SETFL, O_NONBLOCK);
    }
  }

  void Undo() const {
    // The last one first, because two of the descriptors may share an open file.
    for (auto it = changes_.rbegin(); it != changes_.rend(); ++it)
      fcntl(it->fd, it->set, it->flags);
  }

 private:
  struct Change {
    int fd;
    int set;
    int flags;  // as they were
  };

  void Clear(int fd, int get, int set, int flag) {
    const int flags = fcntl(fd, get);
    if (flags < 0 || (flags & flag) == 0) return;
    changes_.push_back({fd, set, flags});
    fcntl(fd, set, flags & ~flag);
  }

  std::vector<Change> changes_;
};

// A terminal that the program has made raw.
class Terminal {
 public:
  Terminal() {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
      termios mode{};
      if (tcgetattr(fd, &mode) == 0) before_.emplace_back(fd, mode);
    }
    if (!before_.empty()) Quietly([] { uv_tty_reset_mode(); });
  }

  void Undo() const {
    Quietly([this] {
      for (const auto& [fd, mode] : before_) tcsetattr(fd, TCSANOW, &mode);
    });
  }

 private:
  // A process in the background that sets a terminal's mode is stopped, unless SIGTTOU is blocked.
  template <typename F>
  static void Quietly(F f) {
    sigset_t stop;
    sigset_t before;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &stop, &before);
    f();
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  std::vector<std::pair<int, termios>> before_;
};

void Nothing(int) {}

// Ignored signals and the mask, which a new program inherits. It does not inherit handlers.
class Signals {
 public:
  Signals() {
    for (int number = 1; number < kSignals; ++number) {
      struct sigaction action {};
      if (sigaction(number, nullptr, &action) != 0 || action.sa_handler != SIG_IGN) continue;
      if (IsIgnoring(number)) continue;
      ignored_.push_back({number, action});
      // Not SIG_DFL: until execve(2) a signal, such as SIGPIPE from another thread's write, would
      // end this program. execve(2) turns a handler into SIG_DFL.
      action.sa_handler = Nothing;
      action.sa_flags |= SA_RESTART;
      sigaction(number, &action, nullptr);
    }
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, &mask_);
  }

  void Undo() const {
    pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
    for (const auto& [number, action] : ignored_) sigaction(number, &action, nullptr);
  }

 private:
  sigset_t mask_;
  std::vector<std::pair<int, struct sigaction>> ignored_;
};

}  // namespace

int Exec(const std::string& path, const std::vector<std::string>& argv, bool ownEnvironment,
         const std::vector<std::string>& environment, const std::vector<int>& keep,
         bool resetSignals) {
  if (const int error = Refused(path.c_str())) return error;
  const std::vector<char*> args = Pointers(argv);
  const std::vector<char*> own = Pointers(environment);
  char* const* envp = ownEnvironment ? own.data() : environ;
  const auto execute = [&] {
    execve(path.c_str(), args.data(), envp);
    return -errno;
  };
  const Descriptors descriptors(keep);
  const Terminal terminal;
  int error;
  if (resetSignals) {
    const Signals signals;
    error = execute();
    signals.Undo();
  } else {
    error = execute();
  }
  terminal.Undo();
  descriptors.Undo();
  return error;
}

int PlaceDescriptors(const std::vector<int>& sources, int first) {
  // Above all target numbers, so that none is overwritten before its turn.
  const int beyond = first + static_cast<int>(sources.size());
  std::vector<int> copies;
  for (int source : sources) {
    const int copy = Result(fcntl(source, F_DUPFD_CLOEXEC, beyond));
    if (copy < 0) {
      for (int made : copies) close(made);
      return copy;
    }
    copies.push_back(copy);
  }
  for (size_t i = 0; i < copies.size(); ++i) {
    if (dup2(copies[i], first + static_cast<int>(i)) < 0) return -errno;
  }
  return 0;
}

}  // namespace sys
