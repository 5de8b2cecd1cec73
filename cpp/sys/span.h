// The elements of a typed array, in JavaScript's memory.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sys {

struct Int32Span {
  int32_t* data;
  size_t size;
};

struct ByteSpan {
  uint8_t* data;
  size_t size;
};

}  // namespace sys
