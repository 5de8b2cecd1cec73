#include "sys/rlimit.h"

#include <sys/resource.h>

#include <limits>

#include "sys/result.h"

namespace sys {
namespace {

constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();

// RLIM_INFINITY is all bits on Linux, and all but the sign on FreeBSD.
uint64_t FromLimit(rlim_t limit) {
  return limit == RLIM_INFINITY ? kUnlimited : static_cast<uint64_t>(limit);
}

rlim_t ToLimit(uint64_t value) {
  return value == kUnlimited ? RLIM_INFINITY : static_cast<rlim_t>(value);
}

}  // namespace

std::tuple<int, uint64_t, uint64_t> Getrlimit(int resource) {
  rlimit limit{};
  // The parameter is an enumeration in glibc, and int elsewhere.
  const int error = Result(getrlimit(static_cast<decltype(RLIMIT_NOFILE)>(resource), &limit));
  return {error, FromLimit(limit.rlim_cur), FromLimit(limit.rlim_max)};
}

int Setrlimit(int resource, uint64_t soft, uint64_t hard) {
  // As in POSIX and Linux. FreeBSD would silently lower the soft limit.
  if (soft > hard) return -EINVAL;
  const rlimit limit{ToLimit(soft), ToLimit(hard)};
  return Result(setrlimit(static_cast<decltype(RLIMIT_NOFILE)>(resource), &limit));
}

}  // namespace sys
