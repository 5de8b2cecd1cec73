// Every register with a value of its own, so that one that is lost or mixed up shows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
constexpr size_t kGeneral = 11, kVectors = 16, kPreserved = 6;
#elif defined(__aarch64__)
constexpr size_t kGeneral = 24, kVectors = 32, kPreserved = 18;
#endif

struct alignas(16) Registers {
  uint64_t general[kGeneral + kGeneral % 2];
  uint64_t vectors[2 * kVectors];
  uint64_t control;  // of floating point: rounding towards zero

  void Fill(uint64_t seed) {
    memset(static_cast<void*>(this), 0, sizeof *this);
    auto next = [&seed] { return seed = seed * 6364136223846793005u + 1442695040888963407u; };
    for (size_t i = 0; i < kGeneral; ++i) general[i] = next();
    for (uint64_t& vector : vectors) vector = next();
  }
};

extern "C" {
// Counts up until *stop is not 0, with all registers as `in` says; then writes them to `out`.
void spin_with_registers(const Registers* in, Registers* out, const int* stop, uint64_t* count);

// Calls f(arg) with the registers that a call preserves filled from in[kPreserved], and writes what
// they are after it to out.
void call_with_registers(const uint64_t* in, uint64_t* out, void (*f)(void*), void* arg);
}
