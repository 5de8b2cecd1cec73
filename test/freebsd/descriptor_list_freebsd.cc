#include "children.h"
#include "sys/descriptor_list.h"
#include "tap.h"

namespace {

sys::OpenFile Find(int fd) {
  for (const sys::OpenFile& file : sys::FileDescriptors(getpid())) {
    if (std::get<0>(file) == fd) return file;
  }
  return {-1, "", "", 0};
}

}  // namespace

TEST(DescriptorList, "fileDescriptors: a file's path, a pipe's two ends by one name, access") {
  tap::Folder folder;
  const int file = tap::Create(folder.File("a"));
  const auto [number, kind, name, access] = Find(file);
  EQUAL(number, file);
  EQUAL(kind, "");
  EQUAL(access, 3);
  // The name cache may have forgotten it.
  if (name[0] == '/') HOLDS(name.find("daemonkit-selftest") != std::string::npos);
  int ends[2];
  EQUAL(pipe(ends), 0);
  const auto [one, pipe_kind, pipe_name, one_access] = Find(ends[0]);
  const auto [two, same_kind, same_name, two_access] = Find(ends[1]);
  EQUAL(one, ends[0]);
  EQUAL(two, ends[1]);
  EQUAL(pipe_kind, "pipe");
  EQUAL(same_kind, "pipe");
  EQUAL(pipe_name, same_name);
  EQUAL(one_access + two_access, 3);
}

TEST(DescriptorKinds, "fileDescriptors: sockets, kqueues; a process's; ESRCH") {
  const int fd = sys::FileDescriptors(getppid()).empty() ? -1 : 0;
  EQUAL(fd, 0);
  const pid_t child = tap::Spawn([] { return 0; });
  tap::Await(child);
  EQUAL(std::get<0>(sys::FileDescriptors(child).at(0)), -ESRCH);
}
