#include "fork/objects/ring_setup.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <initializer_list>

#include "arch.h"
#include "fork/objects/only_hole.h"
#include "fork/park/park.h"
#include "fork/state.h"

namespace livefork {
namespace {

constexpr uint32_t kNoMmap = 1u << 14;     // 6.5
constexpr uint32_t kNoSqArray = 1u << 16;  // 6.6
constexpr uint64_t kOffsetEntries = 0x10000000;
constexpr uint32_t kProbeEntries = 256;  // libuv's own size, because this size must work

bool Failed(long r) {
  return r < 0 && r > -4096;
}

long MapAnonymous(uintptr_t at, size_t size, int flags) {
  return Sys(SYS_mmap, at, size, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | flags, -1, 0);
}

// Makes one of a ring's two mappings at its place: by requesting the address, or by leaving no
// other room.
long MapRing(RingMethod method, int fd, Range place, uint64_t offset) {
  const bool fixed = method == RingMethod::kMapFixed;
  const size_t size = place.end - place.start;
  if (!fixed) Sys(SYS_munmap, place.start, size);
  long p = Sys(SYS_mmap, fixed ? place.start : 0, size, PROT_READ | PROT_WRITE,
               MAP_SHARED | MAP_POPULATE | (fixed ? MAP_FIXED : 0), fd, offset);
  if (Failed(p) || static_cast<uintptr_t>(p) == place.start) return p;
  Sys(SYS_munmap, p, size);
  return -EADDRNOTAVAIL;
}

long MapBoth(RingMethod method, int fd, Range ring, Range entries) {
  auto map = [&] {
    long p = MapRing(method, fd, ring, 0);
    return Failed(p) ? p : MapRing(method, fd, entries, kOffsetEntries);
  };
  if (method == RingMethod::kMapFixed) return map();
  // A mapping at the place keeps NoRoomAbove from filling it.
  for (Range r : {ring, entries}) MapAnonymous(r.start, r.end - r.start, MAP_FIXED);
  const NoRoomAbove full(ring.start < entries.start ? ring.start : entries.start);
  return map();
}

bool Works(RingMethod method) {
  RingParams params{};
  params.sq_entries = kProbeEntries;
  constexpr size_t kSize = size_t{64} << 10;
  long p = MapAnonymous(0, 2 * kSize, 0);
  if (Failed(p)) return false;
  auto at = static_cast<uintptr_t>(p);
  // The sizes of libuv's mappings, in whole pages of any size.
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  auto whole = [page](size_t size) { return (size + page - 1) & ~(page - 1); };
  long fd = SetUpRing(method, {at, at + whole(size_t{12} << 10)},
                      {at + kSize, at + kSize + whole(size_t{16} << 10)}, params);
  if (fd >= 0) Sys(SYS_close, fd);
  Sys(SYS_munmap, at, 2 * kSize);
  return fd >= 0;
}

// Runs a trial that fills the address space in a child, whose end sends no signal. Our signals are
// blocked there, or their handlers would run in it too.
bool WorksInChild(RingMethod method) {
  SignalsBlocked blocked;
  long pid = CloneProcess(0);
  if (pid == 0) Sys(SYS_exit_group, Works(method) ? 0 : 1);
  int status = -1;
  if (pid > 0) Sys(SYS_wait4, pid, &status, __WALL, 0);
  return status == 0;
}

bool SetUpPlain(uint32_t flags) {
  RingParams params{};
  params.flags = flags;
  long fd = Sys(SYS_io_uring_setup, kProbeEntries, &params);
  if (fd < 0) return false;
  state.ring_support.sq = params.sq_off;
  state.ring_support.cq = params.cq_off;
  Sys(SYS_close, fd);
  return true;
}

}  // namespace

const RingSupport& TheRingSupport() {
  return state.ring_support;
}

long SetUpRing(RingMethod method, Range ring, Range entries, RingParams& params) {
  params.flags |= state.ring_support.no_sqarray;
  if (method == RingMethod::kNoMmap) {
    for (Range r : {ring, entries}) {
      long p = MapAnonymous(r.start, r.end - r.start, MAP_FIXED);
      if (Failed(p)) return p;
    }
    params.flags |= kNoMmap;
    params.cq_off.user_addr = ring.start;
    params.sq_off.user_addr = entries.start;
  }
  long fd = Sys(SYS_io_uring_setup, params.sq_entries, &params);
  if (fd < 0) return fd;
  if (method != RingMethod::kNoMmap) {
    if (long p = MapBoth(method, static_cast<int>(fd), ring, entries); Failed(p)) {
      Sys(SYS_close, fd);
      return p;
    }
  }
  if (state.ring_support.no_sqarray == 0) {
    // libuv fills this table once, when it makes its ring, and never uses it again.
    auto* array = reinterpret_cast<uint32_t*>(ring.start + params.sq_off.array);
    for (uint32_t i = 0; i < params.sq_entries; ++i) array[i] = i;
  }
  return fd;
}

void ProbeRings() {
  if (state.ring_support.method != RingMethod::kUnknown) return;
  state.ring_support.method = RingMethod::kNone;
  if (!SetUpPlain(0)) return;
  state.ring_support.no_sqarray = SetUpPlain(kNoSqArray) ? kNoSqArray : 0;
  // Since 6.4, and in later stable releases of older kernels, the kernel refuses a chosen address
  // (io_uring_mmu_get_unmapped_area()). From 6.5 on it can use existing memory, which had to be
  // physically contiguous in 6.5 to 6.9.
  for (RingMethod method : {RingMethod::kNoMmap, RingMethod::kMapFixed, RingMethod::kOnlyHole}) {
    if (!(method == RingMethod::kOnlyHole ? WorksInChild(method) : Works(method))) continue;
    state.ring_support.method = method;
    return;
  }
}

}  // namespace livefork
