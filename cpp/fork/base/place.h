// Places descriptors at given numbers, in the child.
#pragma once

#include <fcntl.h>

#include "arch.h"
#include "fork/base/failure.h"

namespace livefork {

// A number that refers to the same open file as another: dup(2).
struct Duplicate {
  int from, to;
  bool closes_on_exec;
};

inline Failure MakeDuplicate(const Duplicate& d) {
  return Check(Sys(SYS_dup3, d.from, d.to, d.closes_on_exec ? O_CLOEXEC : 0), "dup3");
}

// Moves a new descriptor to the number of the one that it replaces, which dup3 closes. syscall: the
// call whose result `fresh` is, possibly -errno.
inline Failure Place(long fresh, int target, bool closes_on_exec, const char* syscall) {
  if (fresh < 0) return Check(fresh, syscall);
  Failure failure = MakeDuplicate({static_cast<int>(fresh), target, closes_on_exec});
  Sys(SYS_close, fresh);
  return failure;
}

}  // namespace livefork
