#include "sys/exec.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "sys/result.h"

namespace sys {
namespace {

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  // execv(3) takes pointers to what it does not change.
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

int Exec(const std::string& program, const std::vector<std::string>& argv,
         const std::vector<int>& keep, const std::vector<int>& sources, int first) {
  const std::vector<char*> args = Pointers(argv);
  // Beyond all numbers that are about to be taken, so that none is overwritten before its turn.
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
  for (int fd : keep) fcntl(fd, F_SETFD, 0);
  for (size_t i = 0; i < copies.size(); ++i) {
    if (dup2(copies[i], first + static_cast<int>(i)) < 0) return -errno;
  }
  execv(program.c_str(), args.data());
  return -errno;
}

}  // namespace sys
