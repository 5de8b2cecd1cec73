// Children of a test, and files in a folder that goes with it.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string>

namespace tap {

// Runs body in a child, which exits with what it returns.
template <typename Body>
pid_t Spawn(Body body) {
  const pid_t pid = fork();
  if (pid == 0) _exit(body());
  return pid;
}

// Exit code, or 1000 + signal.
inline int Await(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return -errno;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

// A child that waits to be killed.
inline pid_t Sleeper() {
  return Spawn([] {
    pause();
    return 0;
  });
}

inline bool Readable(int fd, int milliseconds) {
  pollfd ready{fd, POLLIN, 0};
  return poll(&ready, 1, milliseconds) == 1;
}

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/daemonkit-selftest-XXXXXX";
    if (mkdtemp(name) != nullptr) path_ = name;
  }
  ~Folder() {
    unlink(File("a").c_str());
    unlink(File("b").c_str());
    rmdir(path_.c_str());
  }
  const std::string& path() const { return path_; }
  // "a" and "b" are removed with the folder.
  std::string File(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline int Create(const std::string& path) {
  return open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

}  // namespace tap
