#include "sys/fd.h"

#include <sys/resource.h>

#include "children.h"
#include "tap.h"

namespace {

bool IsOpen(int fd) {
  return fcntl(fd, F_GETFD) != -1;
}

// 20 to 29, without 24.
void OpenTen() {
  for (int fd = 20; fd < 30; ++fd) dup2(0, fd);
  close(24);
}

void CloseBy(int method) {
  OpenTen();
  EQUAL(sys::CloseRange(22, 27, false, method), 0);
  for (int fd = 20; fd < 30; ++fd) EQUAL(IsOpen(fd), fd < 22 || fd > 27);
  EQUAL(sys::CloseRange(28, ~0U, false, method), 0);
  HOLDS(!IsOpen(28) && !IsOpen(29) && IsOpen(20) && IsOpen(0));
}

void MarkBy(int method) {
  OpenTen();
  EQUAL(sys::CloseRange(22, 27, true, method), 0);
  for (int fd : {20, 21, 28, 29}) EQUAL(sys::CloseOnExec(fd), 0);
  for (int fd : {22, 23, 25, 26, 27}) EQUAL(sys::CloseOnExec(fd), 1);
  HOLDS(!IsOpen(24));
}

}  // namespace

TEST(Dup, "dup and dup2: the lowest, the number asked for, EBADF") {
  const int fd = sys::Dup(0);
  HOLDS(fd > 2 && IsOpen(fd));
  EQUAL(sys::Dup2(fd, 40), 40);
  EQUAL(sys::CloseOnExec(40), 0);
  close(fd);
  EQUAL(sys::Dup(fd), -EBADF);
  EQUAL(sys::Dup2(0, sys::Getdtablesize()), -EBADF);
  EQUAL(sys::CloseOnExec(fd), -EBADF);
}

TEST(Size, "getdtablesize is the soft limit") {
  rlimit limit{64, 64};
  EQUAL(setrlimit(RLIMIT_NOFILE, &limit), 0);
  EQUAL(sys::Getdtablesize(), 64);
}

TEST(CloseAny, "closeRange: the first way that works") {
  CloseBy(sys::kAny);
  MarkBy(sys::kAny);
}

TEST(CloseCall, "closeRange by close_range(2)") {
  CloseBy(sys::kCloseRange);
}

TEST(MarkCall, "close-on-exec by close_range(2)") {
  OpenTen();
  if (sys::CloseRange(22, 27, true, sys::kCloseRange) == -EINVAL) tap::Skip("too old for the flag");
  MarkBy(sys::kCloseRange);
}

TEST(CloseListed, "closeRange by the system's list") {
  CloseBy(sys::kListed);
  MarkBy(sys::kListed);
}

TEST(CloseLoop, "closeRange by a loop") {
  rlimit limit{256, 256};
  setrlimit(RLIMIT_NOFILE, &limit);
  CloseBy(sys::kLoop);
  MarkBy(sys::kLoop);
}
