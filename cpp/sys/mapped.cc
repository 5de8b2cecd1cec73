#include "sys/mapped.h"

#include <sys/mman.h>

namespace sys {

uint8_t* MapPrivate(int fd, int64_t offset, size_t size) {
  void* data = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, offset);
  return data == MAP_FAILED ? nullptr : static_cast<uint8_t*>(data);
}

void Unmap(uint8_t* data, size_t size) {
  munmap(data, size);
}

}  // namespace sys
