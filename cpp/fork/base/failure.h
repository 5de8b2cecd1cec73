// Why a fork did not happen.
#pragma once

namespace livefork {

struct Failure {
  int error = 0;                  // errno, positive; 0 is success
  const char* syscall = nullptr;  // man-page name of the call that failed
  const char* reason = nullptr;   // for ENOTSUP and EAGAIN: the obstacle, as text
  bool passing = false;           // the obstacle is temporary
  bool at_rest = false;           // and has to do with threads at rest (rest.h)

  explicit operator bool() const { return error != 0; }
};

// The result of a raw call as a Failure.
inline Failure Check(long result, const char* syscall) {
  return result < 0 ? Failure{static_cast<int>(-result), syscall, nullptr} : Failure{};
}

}  // namespace livefork
