#include "children.h"
#include "sys/descriptor_list.h"
#include "tap.h"

TEST(DescriptorList, "fileDescriptors: ENOSYS, as /proc tells it") {
  EQUAL(std::get<0>(sys::FileDescriptors(getpid()).at(0)), -ENOSYS);
}
