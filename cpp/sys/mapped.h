// mmap(2) of a file that nobody writes to any more.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sys {

// A private mapping of a part of a file, readable and writable: what is written to it stays here,
// and a later fork copies it as any memory. Nullptr, with errno, if there is none.
uint8_t* MapPrivate(int fd, int64_t offset, size_t size);

void Unmap(uint8_t* data, size_t size);

}  // namespace sys
