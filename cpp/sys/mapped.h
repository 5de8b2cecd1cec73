// mmap(2) of a file without further writers.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sys {

// A private, readable and writable mapping of a part of a file. Writes to it stay in this process,
// and a later fork copies it like other memory. On failure nullptr, with errno.
uint8_t* MapPrivate(int fd, int64_t offset, size_t size);

void Unmap(uint8_t* data, size_t size);

}  // namespace sys
