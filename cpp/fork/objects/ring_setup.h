// Makes io_uring rings at chosen addresses, in one of several ways, depending on the kernel.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fork/freeze/mappings.h"

namespace livefork {

// From linux/io_uring.h of 6.6; the build machine's header may be older than the running kernel.
struct SqOffsets {
  uint32_t head, tail, ring_mask, ring_entries, flags, dropped, array, resv1;
  uint64_t user_addr;
};
struct CqOffsets {
  uint32_t head, tail, ring_mask, ring_entries, overflow, cqes, flags, resv1;
  uint64_t user_addr;
};
struct RingParams {
  uint32_t sq_entries, cq_entries, flags, sq_thread_cpu, sq_thread_idle, features, wq_fd, resv[3];
  SqOffsets sq_off;
  CqOffsets cq_off;
};
static_assert(sizeof(RingParams) == 120, "struct io_uring_params");

enum class RingMethod { kUnknown, kNone, kNoMmap, kMapFixed, kOnlyHole };

// The features of this kernel, and its layout of a ring.
struct RingSupport {
  RingMethod method = RingMethod::kUnknown;
  uint32_t no_sqarray = 0;
  SqOffsets sq{};
  CqOffsets cq{};
};

// Finds out the support, once per process. It makes and closes rings, so call it before the threads
// are parked.
void ProbeRings();

const RingSupport& TheRingSupport();

// Makes a ring with its memory at the two given places; returns its descriptor or -errno.
long SetUpRing(RingMethod method, Range ring, Range entries, RingParams& params);

}  // namespace livefork
