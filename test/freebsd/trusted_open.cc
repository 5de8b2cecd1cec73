#include "sys/trusted_open.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "sys/try_as.h"
#include "tap.h"

namespace {

constexpr uid_t kSomebody = 1;

std::string Folder() {
  char name[] = "/tmp/daemonkit-XXXXXX";
  const std::string folder = mkdtemp(name);
  chmod(name, 0755);
  return folder;
}

sys::Opened Open(const std::string& path, int mode = 0640) {
  return sys::OpenTrusted(path, O_WRONLY | O_APPEND, mode, true, kSomebody, kSomebody);
}

int Errno(const sys::Opened& opened) {
  const int fd = std::get<0>(opened);
  if (fd >= 0) close(fd);
  return fd < 0 ? -fd : 0;
}

int How(const sys::Opened& opened) {
  return std::get<1>(opened);
}

}  // namespace

TEST(TrustedOpen, "a log is made for its user, and opened by root's links; others' are refused") {
  tap::NeedRoot();
  const std::string folder = Folder();
  const std::string log = folder + "/log";
  umask(077);
  const sys::Opened made = Open(log);
  EQUAL(How(made), int(sys::Found::kMade));
  struct stat found {};
  EQUAL(fstat(std::get<0>(made), &found), 0);
  EQUAL(int(found.st_mode & 0777), 0640);
  EQUAL(int(found.st_uid), int(kSomebody));
  EQUAL(fcntl(std::get<0>(made), F_GETFL) & O_NONBLOCK, 0);
  HOLDS((fcntl(std::get<0>(made), F_GETFD) & FD_CLOEXEC) != 0);
  EQUAL(Errno(made), 0);

  const std::string link = folder + "/link";
  EQUAL(symlink(folder.c_str(), link.c_str()), 0);
  EQUAL(Errno(Open(link + "/log")), 0);
  EQUAL(symlink("log", (folder + "/other").c_str()), 0);
  EQUAL(Errno(Open(folder + "/other")), ELOOP);
  EQUAL(How(Open(folder + "/other")), int(sys::Found::kLink));
  EQUAL(Errno(Open(folder + "/none/log")), ENOENT);
  EQUAL(How(Open(folder + "/none", sys::kOnlyRoom)), int(sys::Found::kRoom));
  EQUAL(Errno(Open(log + "/log")), ENOTDIR);
  EQUAL(lchown(link.c_str(), kSomebody, kSomebody), 0);
  EQUAL(Errno(Open(link + "/log")), EPERM);
  EQUAL(How(Open(link + "/log")), int(sys::Found::kForeignLink));
  EQUAL(chmod(folder.c_str(), 0777), 0);
  EQUAL(How(Open(log)), int(sys::Found::kOpenDirectory));
  for (const char* name : {"/log", "/link", "/other"}) unlink((folder + name).c_str());
  rmdir(folder.c_str());
}

TEST(TryOpenAs, "what another user could open, without becoming it") {
  tap::NeedRoot();
  const std::string folder = Folder();
  const std::string log = folder + "/log";
  EQUAL(Errno(Open(log)), 0);
  const auto try_as = [](const std::string& path, unsigned id) {
    return sys::TryOpenAs(path, O_WRONLY, "", id, id, {id});
  };
  EQUAL(try_as(log, kSomebody), 0);
  EQUAL(try_as(log, 2), -EACCES);
  EQUAL(try_as(folder + "/none", kSomebody), -EACCES);
  EQUAL(sys::TryOpenAs("/log", O_WRONLY, folder, kSomebody, kSomebody, {kSomebody}), 0);
  EQUAL(int(geteuid()), 0);
  unlink(log.c_str());
  rmdir(folder.c_str());
}
