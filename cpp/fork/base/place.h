// Putting things at given descriptor numbers, in the child.
#pragma once

#include <fcntl.h>

#include "arch.h"
#include "fork/base/failure.h"

namespace livefork {

// A number that stands for the same open file as another: dup(2).
struct Duplicate {
  int from, to;
  bool closes_on_exec;
};

inline Failure MakeDuplicate(const Duplicate& d) {
  return Check(Sys(SYS_dup3, d.from, d.to, d.closes_on_exec ? O_CLOEXEC : 0), "dup3");
}

// Puts a fresh descriptor at the number of the one it replaces, which dup3 closes by that.
// syscall: whose result fresh is, an -errno perhaps.
inline Failure Place(long fresh, int target, bool closes_on_exec, const char* syscall) {
  if (fresh < 0) return Check(fresh, syscall);
  Failure failure = MakeDuplicate({static_cast<int>(fresh), target, closes_on_exec});
  Sys(SYS_close, fresh);
  return failure;
}

}  // namespace livefork
