// flock(2): a lock on an open file description. fork(2) shares it, and it lasts until the last copy
// is closed.
#pragma once

namespace sys {

// Takes an exclusive lock without waiting. 0, or -errno: -EWOULDBLOCK if another description has
// it.
int FlockExclusive(int fd);

// Whether another description has an exclusive lock: 1, 0, or -errno. Only taking a lock shows
// this, so a shared lock is held for a moment between two system calls.
int FlockHeld(int fd);

}  // namespace sys
