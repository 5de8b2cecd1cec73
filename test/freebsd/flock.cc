#include "sys/flock.h"

#include "children.h"
#include "tap.h"

TEST(Flock, "flock: one at a time, by open file; forks share it; free when it is closed") {
  tap::Folder folder;
  const int one = tap::Create(folder.File("a"));
  const int two = tap::Create(folder.File("a"));
  EQUAL(sys::FlockExclusive(one), 0);
  EQUAL(sys::FlockExclusive(one), 0);
  EQUAL(sys::FlockExclusive(two), -EWOULDBLOCK);
  EQUAL(tap::Await(tap::Spawn([one] { return sys::FlockExclusive(one) == 0 ? 0 : 1; })), 0);
  EQUAL(sys::FlockExclusive(two), -EWOULDBLOCK);
  close(one);
  EQUAL(sys::FlockExclusive(two), 0);
  EQUAL(sys::FlockExclusive(-1), -EBADF);
}
