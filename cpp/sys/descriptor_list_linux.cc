#include <cerrno>

#include "sys/descriptor_list.h"

namespace sys {

std::vector<OpenFile> FileDescriptors(int) {
  return {{-ENOSYS, {}, {}, 0}};
}

}  // namespace sys
