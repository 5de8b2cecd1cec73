// Threads that wait in every kind of blocking call that SA_RESTART does not cover, and threads that
// sleep with a lock in hand: what a fork must not cut short, in parent and child.
#pragma once

#include <cstdint>

namespace waits {

struct Count {
  const char* name;  // of the call
  int64_t made;
  int64_t cut;   // returned too early, by EINTR or by a timeout that was none
  int64_t late;  // the longest over the time asked for, in milliseconds: a machine may be busy
};

// A thread for each kind. Returns 0 or -errno.
int Start();
// Joins them all; 0, or the first error of pthread_join().
int Stop();

int Kinds();
Count CountOf(int kind);
// Locks and unlocks that failed, of recursive and error-checking mutexes.
int64_t LockErrors();

}  // namespace waits
