#include "fork/ring.h"

#include <sys/stat.h>

#include <atomic>
#include <cstring>

#include "fork/procfs.h"
#include "fork/ring_setup.h"

namespace livefork {
namespace {

constexpr uint32_t kCqSize = 1u << 3;
constexpr uint32_t kGetEvents = 1;
constexpr size_t kEntrySize = 64;

// A ring over our own memory cannot be mapped a second time and has no mapping of its name, so
// the process that has one must remember where it lies. Survives fork: it is plain memory.
constexpr size_t kMaxRings = 256;
struct Known {
  int fd;
  uint64_t inode;  // 0: free
  Range ring, entries;
};
Known known[kMaxRings];

std::atomic<uint32_t>& Word(uintptr_t ring, uint32_t offset) {
  return *reinterpret_cast<std::atomic<uint32_t>*>(ring + offset);
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
  const RingSupport& support = TheRingSupport();
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

const char* RingObstacle(int fdinfo, int fd) {
  const RingMethod method = TheRingSupport().method;
  if (method == RingMethod::kNone || method == RingMethod::kUnknown) {
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
  const RingSupport& support = TheRingSupport();
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
  auto set_up = [&](RingMethod method) {
    RingParams params{};
    params.sq_entries = ring.sq_size;
    params.cq_entries = ring.cq_size;
    params.flags = kCqSize;
    return SetUpRing(method, ring.ring, ring.entries, params);
  };
  RingMethod method = TheRingSupport().method;
  long fd = set_up(method);
  // Memory that had to be contiguous was so in the trial, by luck.
  if (fd == -EINVAL && method == RingMethod::kNoMmap) fd = set_up(method = RingMethod::kOnlyHole);
  if (fd < 0) return Check(fd, "io_uring_setup");
  if (long r = Sys(SYS_dup3, fd, ring.fd, O_CLOEXEC); r < 0) return Check(r, "dup3");
  Sys(SYS_close, fd);
  if (method == RingMethod::kNoMmap && !Remember(ring, Inode(ring.fd))) {
    return {ENOMEM, "io_uring_setup", nullptr};
  }
  return ring.pending > 0 ? Requeue(ring, ring.fd) : Failure{};
}

}  // namespace livefork
