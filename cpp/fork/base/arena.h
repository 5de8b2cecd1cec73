// Memory for one fork, reserved before the threads are parked: from then on nothing may allocate,
// because a parked thread can hold malloc's lock.
#pragma once

#include <sys/mman.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "arch.h"
#include "fork/base/failure.h"

namespace livefork {

constexpr Failure kArenaFull{ENOMEM, "mmap"};

class Arena {
 public:
  // NORESERVE, so only touched pages count: a fork of an idle Node uses about 100 KiB. The rest is
  // room for a process with a million descriptors.
  static constexpr size_t kSize = size_t{64} << 20;

  // The address stays the same for the life of the process: a late parking signal may still read a
  // record of an abandoned park.
  bool Reserve() {
    if (base_ != nullptr) return true;
    long p = Sys(SYS_mmap, nullptr, kSize, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p < 0 && p > -4096) return false;
    base_ = at_ = reinterpret_cast<char*>(p);
    return true;
  }

  // Returns the memory to the kernel, in whole pages. Memory that is taken later is zero again.
  void Clear() {
    const auto size = static_cast<size_t>(at_ - base_);
    if (Sys(SYS_madvise, base_, size, MADV_DONTNEED) < 0) memset(base_, 0, size);
    at_ = base_;
  }

  // Zeroed memory, or nullptr when the arena is used up.
  template <typename T>
  T* Take(size_t count = 1) {
    auto start = (reinterpret_cast<uintptr_t>(at_) + 63) & ~uintptr_t{63};
    auto end = reinterpret_cast<uintptr_t>(base_) + kSize;
    if (base_ == nullptr || count > (end - start) / sizeof(T)) return nullptr;
    at_ = reinterpret_cast<char*>(start + count * sizeof(T));
    return reinterpret_cast<T*>(start);
  }

 private:
  char* base_ = nullptr;
  char* at_ = nullptr;
};

// A list that grows in the arena, chunk by chunk. Its items never move.
template <typename T>
class List {
  static constexpr size_t kChunk = 64;
  struct Chunk {
    Chunk* next;
    size_t used;
    T items[kChunk];
  };

 public:
  T* Add(Arena& arena) {
    if (used_ == kChunk || last_ == nullptr) {
      auto* chunk = arena.Take<Chunk>();
      if (chunk == nullptr) return nullptr;
      (last_ == nullptr ? first_ : last_->next) = chunk;
      last_ = chunk;
      used_ = 0;
    }
    ++size_;
    last_->used = used_ + 1;
    return &last_->items[used_++];
  }

  size_t size() const { return size_; }

  class Iterator {
   public:
    explicit Iterator(Chunk* chunk) : chunk_(chunk) {}
    T& operator*() const { return chunk_->items[index_]; }
    Iterator& operator++() {
      if (++index_ == chunk_->used) {
        chunk_ = chunk_->next;
        index_ = 0;
      }
      return *this;
    }
    bool operator!=(const Iterator& o) const { return chunk_ != o.chunk_ || index_ != o.index_; }
    bool operator==(const Iterator& o) const { return !(*this != o); }

   private:
    Chunk* chunk_;
    size_t index_ = 0;
  };
  Iterator begin() const { return Iterator(first_); }
  Iterator end() const { return Iterator(nullptr); }

 private:
  Chunk* first_ = nullptr;
  Chunk* last_ = nullptr;
  size_t used_ = 0;
  size_t size_ = 0;
};

}  // namespace livefork
