// Files as ArrayBuffers: cpp/sys/mapped.h.
#pragma once

#include <napi.h>

namespace marshal {

// mapFile(fd, offset, sizes, alignment): an ArrayBuffer for each size, or -errno. The first part of
// the file begins at `offset`, each further one at the next multiple of `alignment`; both are
// multiples of the page size, and `alignment` is a power of two.
Napi::Value MapFile(const Napi::CallbackInfo& info);

}  // namespace marshal
