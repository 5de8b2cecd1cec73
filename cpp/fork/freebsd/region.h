// Memory for one fork. malloc(3) must not be used while a stopped thread may hold its locks.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>

namespace livefork {

// Reserved once and never returned: the handler of a late signal may read a record of a finished
// park, and must find it empty.
class Region {
 public:
  // Call before any thread is stopped. Empties the region; pages are allocated when they are
  // touched.
  bool Reserve() {
    const int fixed = base_ == nullptr ? 0 : MAP_FIXED;
    void* memory =
        mmap(base_, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON | fixed, -1, 0);
    if (memory == MAP_FAILED) return false;
    base_ = at_ = static_cast<char*>(memory);
    return true;
  }

  // Zeroed memory, or nullptr if the region is full.
  template <typename T>
  T* Take(size_t count = 1) {
    const auto start = (reinterpret_cast<uintptr_t>(at_) + 63) & ~uintptr_t{63};
    const auto end = reinterpret_cast<uintptr_t>(base_) + kSize;
    if (base_ == nullptr || count > (end - start) / sizeof(T)) return nullptr;
    at_ = reinterpret_cast<char*>(start + count * sizeof(T));
    return reinterpret_cast<T*>(start);
  }

 private:
  static constexpr size_t kSize = size_t{256} << 20;
  char* base_ = nullptr;
  char* at_ = nullptr;
};

}  // namespace livefork
