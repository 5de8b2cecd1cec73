// flock(2): a lock on an open file description, so fork(2) shares it and close(2) of a copy keeps
// it, until the last copy is closed.
#pragma once

namespace sys {

// Takes an exclusive lock without waiting. 0, or -errno: -EWOULDBLOCK if another description has
// it.
int FlockExclusive(int fd);

// Whether another description has an exclusive lock: 1, 0, or -errno. Nothing but to take a lock
// tells, so a shared one is held for the moment between two system calls.
int FlockHeld(int fd);

}  // namespace sys
