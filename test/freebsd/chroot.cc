#include "sys/chroot.h"

#include "children.h"
#include "tap.h"

TEST(Chroot, "chroot: the folder is the root; ENOENT, ENOTDIR") {
  tap::NeedRoot();
  tap::Folder folder;
  close(tap::Create(folder.File("a")));
  EQUAL(sys::Chroot(folder.File("none")), -ENOENT);
  EQUAL(sys::Chroot(folder.File("a")), -ENOTDIR);
  const pid_t child = tap::Spawn([&] {
    if (sys::Chroot(folder.path()) != 0 || chdir("/") != 0) return 1;
    return access("/a", F_OK) == 0 && access("/etc", F_OK) != 0 ? 0 : 2;
  });
  EQUAL(tap::Await(child), 0);
}

TEST(ChrootUser, "chroot: EPERM for anybody else") {
  tap::NeedRoot();
  if (setuid(65534) != 0) tap::Skip("cannot become nobody");
  EQUAL(sys::Chroot("/"), -EPERM);
}
