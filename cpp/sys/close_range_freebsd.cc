#include <unistd.h>

#include "sys/fd.h"
#include "sys/kinfo_freebsd.h"
#include "sys/result.h"

namespace sys {

namespace {

// By number: FreeBSD 14.0 has the call but not the flag, and its header lacks the flag too.
constexpr int kCloseRangeCloexec = 4;

}  // namespace

int CloseRangeCall(unsigned first, unsigned last, bool cloexec) {
  return Result(close_range(first, last, cloexec ? kCloseRangeCloexec : 0));
}

int CloseRangeListed(unsigned first, unsigned last, bool cloexec) {
  return EachDescriptor(getpid(), [=](const kinfo_file& file) {
    // Numbers below 0 are the working directory, the root and the program.
    if (file.kf_fd < 0) return;
    const auto number = static_cast<unsigned>(file.kf_fd);
    if (number >= first && number <= last) CloseOne(file.kf_fd, cloexec);
  });
}

}  // namespace sys
