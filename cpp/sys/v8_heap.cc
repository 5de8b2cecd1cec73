#include "sys/v8_heap.h"

#include <fcntl.h>
#include <unistd.h>

namespace sys {

namespace {

constexpr size_t kFunctionWords = 8;
constexpr size_t kMostSlots = 1024;
constexpr size_t kHeader = 2;  // words before the contents of arrays and contexts: map and length

// A strong pointer to an object.
bool IsPointer(uintptr_t word) {
  return (word & 3) == 1 && word > 4096;
}

bool IsSmall(uintptr_t word) {
  return (word & 0xffffffff) == 0;
}

uintptr_t* Words(Tagged object) {
  return reinterpret_cast<uintptr_t*>(object - 1);
}

}  // namespace

// Reads addresses that may be unmapped: /proc/self/mem returns EIO for these.
class V8Heap::Memory {
 public:
  Memory() : fd_(open("/proc/self/mem", O_RDONLY | O_CLOEXEC)) {}
  ~Memory() {
    if (fd_ >= 0) close(fd_);
  }

  // Copies the object's first words. The words after a short object may be anything.
  bool Read(Tagged object, uintptr_t* words, size_t count) const {
    const auto size = static_cast<ssize_t>(count * sizeof *words);
    return pread(fd_, words, count * sizeof *words, static_cast<off_t>(object - 1)) == size;
  }

  // The length of an array or context, or 0.
  size_t Length(Tagged object) const {
    uintptr_t header[kHeader];
    if (!IsPointer(object) || !Read(object, header, kHeader) || !IsSmall(header[1])) return 0;
    return header[1] >> 32;
  }

 private:
  int fd_;
};

namespace {

constexpr size_t kStateBytes = 16;

// The remaining numbers end before the one that was returned last.
bool HasJustGiven(const V8Heap::Memory& memory, Tagged numbers, size_t left, double latest) {
  uintptr_t words[kHeader + V8Heap::kNumbers];
  if (memory.Length(numbers) != V8Heap::kNumbers) return false;
  if (!memory.Read(numbers, words, kHeader + V8Heap::kNumbers)) return false;
  return reinterpret_cast<double*>(words + kHeader)[left] == latest;
}

}  // namespace

bool V8Heap::Learn(Tagged math_random, double latest) {
  const Memory memory;
  uintptr_t function[kFunctionWords];
  if (!memory.Read(math_random, function, kFunctionWords)) return false;
  for (size_t word = 1; word < kFunctionWords; ++word) {
    if (!LearnFrom(memory, function[word], latest)) continue;
    context_word_ = word;
    return true;
  }
  return false;
}

// The index, then state and numbers in either order.
bool V8Heap::LearnFrom(const Memory& memory, Tagged context, double latest) {
  const size_t length = memory.Length(context);
  uintptr_t slots[kHeader + kMostSlots];
  if (length < 3 || length > kMostSlots) return false;
  if (!memory.Read(context, slots, kHeader + length)) return false;
  for (size_t at = kHeader; at + 2 < kHeader + length; ++at) {
    const size_t left = slots[at] >> 32;
    if (!IsSmall(slots[at]) || left >= kNumbers) continue;
    for (size_t state = at + 1; state <= at + 2; ++state) {
      const size_t numbers = 2 * at + 3 - state;
      if (memory.Length(slots[state]) != kStateBytes) continue;
      if (!HasJustGiven(memory, slots[numbers], left, latest)) continue;
      index_slot_ = at;
      state_slot_ = state;
      numbers_slot_ = numbers;
      return true;
    }
  }
  return false;
}

MathRandom V8Heap::GeneratorOf(Tagged function) const {
  const uintptr_t context = Words(function)[context_word_];
  if (!learned() || !IsPointer(context)) return {};
  uintptr_t* slots = Words(context);
  if (!IsSmall(slots[1]) || (slots[1] >> 32) + kHeader <= index_slot_ + 2) return {};
  if (!IsSmall(slots[index_slot_]) || slots[index_slot_] >> 32 > kNumbers) return {};
  if (!IsPointer(slots[state_slot_]) || !IsPointer(slots[numbers_slot_])) return {};
  uintptr_t* state = Words(slots[state_slot_]);
  uintptr_t* numbers = Words(slots[numbers_slot_]);
  if (state[1] != uintptr_t{kStateBytes} << 32 || numbers[1] != uintptr_t{kNumbers} << 32)
    return {};
  return {&slots[index_slot_], reinterpret_cast<double*>(numbers + kHeader),
          reinterpret_cast<uint64_t*>(state + kHeader)};
}

ContextSlots V8Heap::SlotsOf(Tagged function) const {
  const uintptr_t context = Words(function)[context_word_];
  if (!learned() || !IsPointer(context)) return {};
  uintptr_t* slots = Words(context);
  const size_t length = slots[1] >> 32;
  if (!IsSmall(slots[1]) || length > kMostSlots) return {};
  return {slots + kHeader, length};
}

}  // namespace sys
