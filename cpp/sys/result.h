// The return convention of cpp/sys and cpp/fork: the call's value, or -errno.
#pragma once

#include <cerrno>

namespace sys {

template <typename T>
T Result(T value) {
  return value == T(-1) ? T(-errno) : value;
}

}  // namespace sys
