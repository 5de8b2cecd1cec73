#include "sys/socketpair.h"

#include <sys/socket.h>

#include "children.h"
#include "tap.h"

TEST(Records, "socketpair: records keep their bounds, 60,000 bytes too") {
  const std::vector<int> ends = sys::Socketpair(true);
  EQUAL(ends.size(), 2U);
  for (int fd : ends) HOLDS((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
  const std::string longest(60000, 'x');
  EQUAL(sys::SendRecord(ends[0], "r"), 0);
  static char text[1 << 16];
  EQUAL(recv(ends[1], text, sizeof text, 0), 1);
  EQUAL(sys::SendRecord(ends[0], longest), 0);
  EQUAL(recv(ends[1], text, sizeof text, 0), 60000);
  close(ends[0]);
  EQUAL(recv(ends[1], text, sizeof text, 0), 0);
}

TEST(NoReader, "socketpair: EPIPE without a signal; hang-up") {
  for (bool records : {true, false}) {
    const std::vector<int> ends = sys::Socketpair(records);
    HOLDS(!sys::AwaitHangup(ends[0], 20));
    close(ends[1]);
    HOLDS(sys::AwaitHangup(ends[0], 20000));
    // A stream has no records: FreeBSD 14 refuses MSG_EOR there (EINVAL).
    if (records) EQUAL(sys::SendRecord(ends[0], "r"), -EPIPE);
  }
}
