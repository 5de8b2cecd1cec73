// flock(2): a lock on an open file description, so fork(2) shares it and close(2) of a copy keeps
// it, until the last copy is closed.
#pragma once

namespace sys {

// Takes an exclusive lock without waiting. 0, or -errno: -EWOULDBLOCK if another description has
// it.
int FlockExclusive(int fd);

}  // namespace sys
