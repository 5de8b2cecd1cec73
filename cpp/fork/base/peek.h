// Reads this process's own memory at addresses that may be unmapped: write(2) returns EFAULT where
// a load would crash.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fork/base/procfs.h"

namespace livefork {

// Copies at most a page through the scratch pipe, which is empty; returns how many bytes, or 0 if
// any of them is unreadable: a pipe takes nothing of a page that it gets in part (pipe_write()).
inline size_t Peek(const ProcFiles& files, uintptr_t from, void* to, size_t size) {
  constexpr size_t kMost = 4096;
  const long written = Sys(SYS_write, files.scratch_write.get(), from, size < kMost ? size : kMost);
  if (written <= 0) return 0;
  const long n = Sys(SYS_read, files.scratch_read.get(), to, written);
  return n < 0 ? 0 : static_cast<size_t>(n);
}

// Copies everything, or returns false.
inline bool PeekAll(const ProcFiles& files, uintptr_t from, void* to, size_t size) {
  for (size_t done = 0; done < size;) {
    const size_t n = Peek(files, from + done, static_cast<char*>(to) + done, size - done);
    if (n == 0) return false;
    done += n;
  }
  return true;
}

}  // namespace livefork
