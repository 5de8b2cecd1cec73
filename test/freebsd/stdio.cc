#include "sys/stdio.h"

#include <sys/stat.h>

#include "children.h"
#include "sys/launcher.h"
#include "tap.h"

TEST(Redirect, "redirect: the number becomes the file; inherited below 3 only; EBADF") {
  tap::Folder folder;
  const int file = tap::Create(folder.File("a"));
  EQUAL(sys::Redirect(2, file, {}), 0);
  EQUAL(sys::Redirect(30, file, {}), 0);
  EQUAL(fcntl(2, F_GETFD) & FD_CLOEXEC, 0);
  EQUAL(fcntl(30, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  EQUAL(write(2, "x", 1), 1);
  struct stat found {};
  fstat(30, &found);
  EQUAL(found.st_size, 1);
  EQUAL(sys::Redirect(31, 99, {}), -EBADF);
}

TEST(LastWords, "writeWithin: what a full pipe takes, in the time given") {
  int ends[2];
  EQUAL(pipe(ends), 0);
  std::string text(1 << 21, 'x');
  const sys::ByteSpan bytes{reinterpret_cast<uint8_t*>(text.data()), text.size()};
  const int taken = sys::WriteWithin(ends[1], bytes, 50);
  HOLDS(taken > 0 && static_cast<size_t>(taken) < text.size());
  close(ends[0]);
}

TEST(WriteAll, "writeAll: all of it to a slow reader, non-blocking or not") {
  int ends[2];
  EQUAL(pipe(ends), 0);
  fcntl(ends[1], F_SETFL, O_NONBLOCK);
  const pid_t reader = tap::Spawn([&ends] {
    close(ends[1]);
    static char bytes[4096];
    size_t sum = 0;
    for (ssize_t now; (now = read(ends[0], bytes, sizeof bytes)) > 0;)
      sum += static_cast<size_t>(now);
    return sum == 300000 ? 0 : 1;
  });
  EQUAL(sys::WriteAll(ends[1], std::string(300000, 'y')), 0);
  close(ends[1]);
  EQUAL(tap::Await(reader), 0);
}
