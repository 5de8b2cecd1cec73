#include "fork/ring.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <initializer_list>

#include "fork/only_hole.h"
#include "fork/park.h"
#include "fork/procfs.h"

namespace livefork {
namespace {

// linux/io_uring.h as of 6.6; the build machine's may be older than the kernel that runs.
struct SqOffsets {
  uint32_t head, tail, ring_mask, ring_entries, flags, dropped, array, resv1;
  uint64_t user_addr;
};
struct CqOffsets {
  uint32_t head, tail, ring_mask, ring_entries, overflow, cqes, flags, resv1;
  uint64_t user_addr;
};
struct Params {
  uint32_t sq_entries, cq_entries, flags, sq_thread_cpu, sq_thread_idle, features, wq_fd, resv[3];
  SqOffsets sq_off;
  CqOffsets cq_off;
};
static_assert(sizeof(Params) == 120, "struct io_uring_params");

constexpr uint32_t kCqSize = 1u << 3;
constexpr uint32_t kNoMmap = 1u << 14;     // 6.5
constexpr uint32_t kNoSqArray = 1u << 16;  // 6.6
constexpr uint64_t kOffsetEntries = 0x10000000;
constexpr uint32_t kGetEvents = 1;
constexpr size_t kEntrySize = 64;
constexpr uint32_t kProbeEntries = 256;  // libuv's own size: what must work is this

enum class Method { kUnknown, kNone, kNoMmap, kMapFixed, kOnlyHole };

struct Support {
  Method method = Method::kUnknown;
  uint32_t no_sqarray = 0;
  SqOffsets sq{};
  CqOffsets cq{};
};
Support support;

// A ring over our own memory cannot be mapped a second time and has no mapping of its name, so
// the process that has one must remember where it lies. Survives fork: it is plain memory.
constexpr size_t kMaxRings = 256;
struct Known {
  int fd;
  uint64_t inode;  // 0: free
  Range ring, entries;
};
Known known[kMaxRings];

bool Failed(long r) {
  return r < 0 && r > -4096;
}

long MapAnonymous(uintptr_t at, size_t size, int flags) {
  return Sys(SYS_mmap, at, size, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE | flags, -1, 0);
}

std::atomic<uint32_t>& Word(uintptr_t ring, uint32_t offset) {
  return *reinterpret_cast<std::atomic<uint32_t>*>(ring + offset);
}

// One of a ring's two mappings, at its place: asked for there, or with nowhere else to go.
long MapRing(Method method, int fd, Range place, uint64_t offset) {
  const bool fixed = method == Method::kMapFixed;
  const size_t size = place.end - place.start;
  if (!fixed) Sys(SYS_munmap, place.start, size);
  long p = Sys(SYS_mmap, fixed ? place.start : 0, size, PROT_READ | PROT_WRITE,
               MAP_SHARED | MAP_POPULATE | (fixed ? MAP_FIXED : 0), fd, offset);
  if (Failed(p) || static_cast<uintptr_t>(p) == place.start) return p;
  Sys(SYS_munmap, p, size);
  return -EADDRNOTAVAIL;
}

long MapBoth(Method method, int fd, Range ring, Range entries) {
  auto map = [&] {
    long p = MapRing(method, fd, ring, 0);
    return Failed(p) ? p : MapRing(method, fd, entries, kOffsetEntries);
  };
  if (method == Method::kMapFixed) return map();
  // What stands there already is no room that NoRoomAbove would fill.
  for (Range r : {ring, entries}) MapAnonymous(r.start, r.end - r.start, MAP_FIXED);
  const NoRoomAbove full(ring.start < entries.start ? ring.start : entries.start);
  return map();
}

// A ring with its memory at the two given places; returns its descriptor or -errno.
long SetUpAt(Method method, Range ring, Range entries, Params& params) {
  params.flags |= support.no_sqarray;
  if (method == Method::kNoMmap) {
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
  if (method != Method::kNoMmap) {
    if (long p = MapBoth(method, static_cast<int>(fd), ring, entries); Failed(p)) {
      Sys(SYS_close, fd);
      return p;
    }
  }
  if (support.no_sqarray == 0) {
    // libuv fills this table once, when it makes its ring, and never looks at it again.
    auto* array = reinterpret_cast<uint32_t*>(ring.start + params.sq_off.array);
    for (uint32_t i = 0; i < params.sq_entries; ++i) array[i] = i;
  }
  return fd;
}

bool Works(Method method) {
  Params params{};
  params.sq_entries = kProbeEntries;
  constexpr size_t kSize = size_t{64} << 10;
  long p = MapAnonymous(0, 2 * kSize, 0);
  if (Failed(p)) return false;
  auto at = static_cast<uintptr_t>(p);
  // The sizes libuv's mappings have, in whole pages of any size.
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  auto whole = [page](size_t size) { return (size + page - 1) & ~(page - 1); };
  long fd = SetUpAt(method, {at, at + whole(size_t{12} << 10)},
                    {at + kSize, at + kSize + whole(size_t{16} << 10)}, params);
  if (fd >= 0) Sys(SYS_close, fd);
  Sys(SYS_munmap, at, 2 * kSize);
  return fd >= 0;
}

// For what fills the address space: in a child, of whose end no signal tells. Without our signals,
// or their handlers would run there too.
bool WorksInChild(Method method) {
  SignalsBlocked blocked;
  long pid = CloneProcess(0);
  if (pid == 0) Sys(SYS_exit_group, Works(method) ? 0 : 1);
  int status = -1;
  if (pid > 0) Sys(SYS_wait4, pid, &status, __WALL, 0);
  return status == 0;
}

bool SetUpPlain(uint32_t flags) {
  Params params{};
  params.flags = flags;
  long fd = Sys(SYS_io_uring_setup, kProbeEntries, &params);
  if (fd < 0) return false;
  support.sq = params.sq_off;
  support.cq = params.cq_off;
  Sys(SYS_close, fd);
  return true;
}

const Known* Remembered(const Ring& ring) {
  for (const Known& k : known) {
    if (k.inode != 0 && k.inode == ring.inode && k.fd == ring.fd) return &k;
  }
  return nullptr;
}

bool Remember(const Ring& ring, uint64_t inode) {
  Known* slot = nullptr;
  for (Known& k : known) {
    if (k.inode != 0 && k.fd == ring.fd) slot = &k;
    if (k.inode == 0 && slot == nullptr) slot = &k;
  }
  if (slot != nullptr) *slot = {ring.fd, inode, ring.ring, ring.entries};
  return slot != nullptr;
}

Failure FindMemory(Ring& ring, Mappings& mappings) {
  int found = 0;
  for (const RingMapping& m : mappings.rings) {
    if (m.inode != ring.inode) continue;
    (m.offset == 0 ? ring.ring : ring.entries) = m.range;
    ++found;
  }
  if (found == 2) return {};
  const Known* k = found == 0 ? Remembered(ring) : nullptr;
  if (k == nullptr) {
    return {ENOTSUP, "fork", "an io_uring ring is not mapped, or mapped more than once"};
  }
  ring.ring = k->ring;
  ring.entries = k->entries;
  return {};
}

uint64_t Inode(int fd) {
  struct stat st {};
  return Sys(SYS_fstat, fd, &st) == 0 ? st.st_ino : 0;
}

// Head and tail count modulo the size; entries keep their slots, because libuv's completion
// handler finds its own record by the slot. Empty entries (NOP) bring the new ring's head there.
Failure Requeue(const Ring& ring, int fd) {
  auto* slots = reinterpret_cast<char*>(ring.entries.start);
  const uintptr_t at = ring.ring.start;
  const uint32_t skip = ring.head & (ring.sq_size - 1);
  if (skip > 0) {
    memset(slots, 0, skip * kEntrySize);
    Word(at, support.sq.tail).store(skip, std::memory_order_release);
    long r = Sys(SYS_io_uring_enter, fd, skip, skip, kGetEvents, nullptr, 0);
    if (r != static_cast<long>(skip)) return Check(r < 0 ? r : -EIO, "io_uring_enter");
    Word(at, support.cq.head).store(skip, std::memory_order_release);
  }
  memcpy(slots, ring.copy, ring.sq_size * kEntrySize);
  Word(at, support.sq.tail).store(skip + ring.pending, std::memory_order_release);
  return {};
}

}  // namespace

void ProbeRings() {
  if (support.method != Method::kUnknown) return;
  support.method = Method::kNone;
  if (!SetUpPlain(0)) return;
  support.no_sqarray = SetUpPlain(kNoSqArray) ? kNoSqArray : 0;
  // Since 6.4, and its stable predecessors by now, the kernel refuses a chosen address
  // (io_uring_mmu_get_unmapped_area()); from 6.5 it can use memory that is already there, which 6.5
  // to 6.9 wanted physically contiguous.
  for (Method method : {Method::kNoMmap, Method::kMapFixed, Method::kOnlyHole}) {
    if (!(method == Method::kOnlyHole ? WorksInChild(method) : Works(method))) continue;
    support.method = method;
    return;
  }
}

const char* RingObstacle(int fdinfo, int fd) {
  if (support.method == Method::kNone || support.method == Method::kUnknown) {
    return "this kernel cannot place an io_uring ring at a given address";
  }
  Fd info(
      Sys(SYS_openat, fdinfo, Decimal(static_cast<unsigned>(fd)).text, O_RDONLY | O_CLOEXEC, 0));
  if (info.get() < 0) return "the fdinfo of an io_uring ring cannot be read";
  Lines lines(info.get());
  bool in_polls = false;
  while (const char* line = lines.Next()) {
    if (in_polls && line[0] == ' ') return "an io_uring ring has requests in flight";
    in_polls = Skip(line, "PollList:");
    if (Skip(line, "SqThread:\t") && line[0] != '-') {
      return "an io_uring ring has a kernel thread (start Node with UV_USE_IO_URING=0)";
    }
    if ((Skip(line, "UserFiles:") || Skip(line, "UserBufs:")) && Number(line, 10) != 0) {
      return "an io_uring ring has registered files or buffers";
    }
  }
  return nullptr;
}

Failure DescribeRing(Ring& ring, Mappings& mappings, Arena& arena) {
  if (Failure failure = FindMemory(ring, mappings)) return failure;
  const uintptr_t at = ring.ring.start;
  auto word = [at](uint32_t offset) { return Word(at, offset).load(std::memory_order_acquire); };
  ring.sq_size = word(support.sq.ring_entries);
  ring.cq_size = word(support.cq.ring_entries);
  ring.head = word(support.sq.head);
  ring.pending = word(support.sq.tail) - ring.head;
  const size_t size = ring.sq_size * kEntrySize;
  if (size > ring.entries.end - ring.entries.start || ring.pending > ring.sq_size) {
    return {ENOTSUP, "fork", "an io_uring ring is not laid out as expected"};
  }
  if (word(support.cq.head) != word(support.cq.tail)) {
    return {EAGAIN, "fork", "an io_uring ring holds completions that nobody has taken yet", true};
  }
  if (ring.pending == 0) return {};
  auto* copy = arena.Take<char>(size);
  if (copy == nullptr) return kArenaFull;
  memcpy(copy, reinterpret_cast<void*>(ring.entries.start), size);
  ring.copy = copy;
  return {};
}

Failure RebuildRing(const Ring& ring) {
  auto set_up = [&](Method method) {
    Params params{};
    params.sq_entries = ring.sq_size;
    params.cq_entries = ring.cq_size;
    params.flags = kCqSize;
    return SetUpAt(method, ring.ring, ring.entries, params);
  };
  Method method = support.method;
  long fd = set_up(method);
  // Memory that had to be contiguous was so in the trial, by luck.
  if (fd == -EINVAL && method == Method::kNoMmap) fd = set_up(method = Method::kOnlyHole);
  if (fd < 0) return Check(fd, "io_uring_setup");
  if (long r = Sys(SYS_dup3, fd, ring.fd, O_CLOEXEC); r < 0) return Check(r, "dup3");
  Sys(SYS_close, fd);
  if (method == Method::kNoMmap && !Remember(ring, Inode(ring.fd))) {
    return {ENOMEM, "io_uring_setup", nullptr};
  }
  return ring.pending > 0 ? Requeue(ring, ring.fd) : Failure{};
}

}  // namespace livefork
