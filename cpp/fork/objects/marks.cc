#include "fork/objects/marks.h"

#include <initializer_list>

namespace livefork {
namespace {

void Join(char* out, const char* folder, int number) {
  const Name name = Decimal(static_cast<unsigned>(number));
  for (const char* part : {"/proc/self/", folder, name.text}) {
    while (*part != '\0') *out++ = *part++;
  }
  *out = '\0';
}

}  // namespace

Mark ParseMark(const char* line) {
  Mark mark{};
  mark.wd = static_cast<int>(Number(line, 16));
  if (Skip(line, " ino:")) mark.file.inode = Number(line, 16);
  if (Skip(line, " sdev:")) mark.file.device = static_cast<uint32_t>(Number(line, 16));
  if (Skip(line, " mask:")) mark.mask = static_cast<uint32_t>(Number(line, 16));
  const char* handle = strstr(line, "fhandle-bytes:");
  mark.file.handle = handle == nullptr ? "" : handle;
  return mark;
}

long OpenOfSelf(const char* folder, int fd) {
  char path[40];
  Join(path, folder, fd);
  return Open(path);
}

OpenFile::OpenFile(int fd) {
  Join(path, "fd/", fd);
}

}  // namespace livefork
