#include "fork/objects/ring.h"

#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "fork/freeze/table.h"
#include "fork/objects/ring_setup.h"
#include "fork/objects/ring_shape.h"
#include "fork/state.h"

namespace livefork {
namespace {

constexpr uint32_t kCqSize = 1u << 3;
constexpr uint32_t kGetEvents = 1;
constexpr size_t kEntrySize = 64;
constexpr const char* kNotMapped = "an io_uring ring is not mapped, or mapped more than once";
constexpr const char* kInFlight = "an io_uring ring has requests in flight";

std::atomic<uint32_t>& Word(uintptr_t ring, uint32_t offset) {
  return *reinterpret_cast<std::atomic<uint32_t>*>(ring + offset);
}

const KnownRing* Remembered(int fd, uint64_t inode) {
  for (const KnownRing& k : state.rings.known) {
    if (k.inode != 0 && k.inode == inode && k.fd == fd) return &k;
  }
  return nullptr;
}

bool Remember(const Ring& ring, uint64_t inode) {
  KnownRing* slot = nullptr;
  for (KnownRing& k : state.rings.known) {
    if (k.inode != 0 && k.fd == ring.fd) slot = &k;
    if (k.inode == 0 && slot == nullptr) slot = &k;
  }
  if (slot != nullptr) *slot = {ring.fd, inode, {ring.ring, ring.entries}};
  return slot != nullptr;
}

// The place of a ring, from the mappings with its inode.
class Places {
 public:
  explicit Places(uint64_t inode) : inode_(inode) {}
  void Add(const RingMapping& m) {
    if (m.inode != inode_) return;
    (m.offset == 0 ? place_.ring : place_.entries) = m.range;
    ++found_;
  }
  bool Get(int fd, RingPlace& place) const {
    const KnownRing* k = found_ == 0 ? livefork::Remembered(fd, inode_) : nullptr;
    if (found_ != 2 && k == nullptr) return false;
    place = k != nullptr ? k->place : place_;
    return true;
  }

 private:
  uint64_t inode_;
  int found_ = 0;
  RingPlace place_{};
};

void ReadRingMappings(int maps, Places& places) {
  Sys(SYS_lseek, maps, 0, 0);
  Lines lines(maps);
  while (const char* line = lines.Next()) {
    if (strstr(line, "anon_inode:[io_uring]") == nullptr) continue;
    const Mapping m = ParseMapping(line);
    places.Add({m.range, m.inode, m.offset});
  }
}

// The obstacle according to the kernel's data.
const char* InfoObstacle(int fdinfo, int fd) {
  const RingMethod method = TheRingSupport().method;
  if (method == RingMethod::kNone || method == RingMethod::kUnknown) {
    return "this kernel cannot place an io_uring ring at a given address";
  }
  Fd info(OpenNumbered(fdinfo, fd));
  if (info.get() < 0) return "the fdinfo of an io_uring ring cannot be read";
  Lines lines(info.get());
  bool in_polls = false;
  while (const char* line = lines.Next()) {
    if (in_polls && line[0] == ' ') return kInFlight;
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

const char* Obstacle(const ProcFiles& files, int fd, const Places& places, RingPlace& place,
                     RingWords& words) {
  if (const char* obstacle = InfoObstacle(files.fdinfo.get(), fd)) return obstacle;
  return places.Get(fd, place) ? ShapeObstacle(files, place, words) : kNotMapped;
}

// Another thread may be in the middle of its requests, which the kernel completes at once. Only
// requests that stay in flight are an obstacle.
const char* RingObstacle(const ProcFiles& files, int fd) {
  FileFacts facts;
  AskFile(files.descriptors.get(), fd, facts);
  Places places(facts.inode);
  ReadRingMappings(files.maps.get(), places);
  RingPlace place{};
  RingWords words{};
  for (int tries = 0; tries < 20; ++tries) {
    if (const char* obstacle = Obstacle(files, fd, places, place, words)) return obstacle;
    if (words.InFlight() == 0) return nullptr;
    const timespec pause{0, 500000};
    Sys(SYS_nanosleep, &pause, nullptr);
  }
  return kInFlight;
}

// Empty entries (NOP) advance the new ring's counters to the parent's values. libuv's completion
// handler finds its record by the slot, so the slot must be the same. The whole counter must be the
// same if a thread of another loop was stopped while it ran, perhaps between reading a counter and
// comparing it: `while (*sqhead != *sqtail)` in uv__io_poll(). The limit takes about 25 ms.
uint32_t StartOf(const Ring& ring) {
  constexpr uint32_t kFarthest = 1U << 18;
  const bool exactly = ring.exact && ring.head <= kFarthest;
  return exactly ? ring.head : ring.head & (ring.sq_size - 1);
}

Failure CountTo(uint32_t start, const Ring& ring) {
  const RingSupport& support = TheRingSupport();
  const uintptr_t at = ring.ring.start;
  memset(reinterpret_cast<void*>(ring.entries.start), 0, ring.sq_size * kEntrySize);
  for (uint32_t done = 0; done != start;) {
    const uint32_t n = std::min(start - done, ring.sq_size);
    done += n;
    Word(at, support.sq.tail).store(done, std::memory_order_release);
    const long r = Sys(SYS_io_uring_enter, ring.fd, n, n, kGetEvents, nullptr, 0);
    if (r != static_cast<long>(n)) return Check(r < 0 ? r : -EIO, "io_uring_enter");
    Word(at, support.cq.head).store(done, std::memory_order_release);
  }
  return {};
}

Failure Requeue(const Ring& ring) {
  const uint32_t start = StartOf(ring);
  if (Failure failure = CountTo(start, ring)) return failure;
  if (ring.pending == 0) return {};
  memcpy(reinterpret_cast<void*>(ring.entries.start), ring.copy, ring.sq_size * kEntrySize);
  Word(ring.ring.start, TheRingSupport().sq.tail)
      .store(start + ring.pending, std::memory_order_release);
  return {};
}

}  // namespace

const char* AnyRingObstacle(const ProcFiles& files) {
  const char* obstacle = nullptr;
  EachNumber(files.descriptors.get(), [&](int fd) {
    char target[32] = {};
    Sys(SYS_readlinkat, files.descriptors.get(), Decimal(static_cast<unsigned>(fd)).text, target,
        sizeof target - 1);
    const char* text = target;
    if (Skip(text, "anon_inode:[io_uring]")) obstacle = RingObstacle(files, fd);
    return obstacle == nullptr;
  });
  return obstacle;
}

Failure DescribeRing(Ring& ring, const ProcFiles& files, Mappings& mappings, Arena& arena) {
  Places places(ring.inode);
  for (const RingMapping& m : mappings.rings) places.Add(m);
  RingPlace place{};
  RingWords words{};
  if (const char* obstacle = Obstacle(files, ring.fd, places, place, words)) {
    return {ENOTSUP, "fork", obstacle};
  }
  // Requests of libuv are in flight only for a moment.
  if (words.InFlight() != 0) return {EAGAIN, "fork", kInFlight, true};
  if (words.cq_head != words.cq_tail) {
    return {EAGAIN, "fork", "an io_uring ring holds unread completions", true};
  }
  ring.ring = place.ring;
  ring.entries = place.entries;
  ring.sq_size = words.sq_size;
  ring.cq_size = words.cq_size;
  ring.head = words.sq_head;
  ring.pending = words.sq_tail - words.sq_head;
  if (ring.pending == 0) return {};
  const size_t size = ring.sq_size * kEntrySize;
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
  // The memory had to be contiguous, and in the trial it was so by chance.
  if (fd == -EINVAL && method == RingMethod::kNoMmap) fd = set_up(method = RingMethod::kOnlyHole);
  if (fd < 0) return Check(fd, "io_uring_setup");
  if (long r = Sys(SYS_dup3, fd, ring.fd, O_CLOEXEC); r < 0) return Check(r, "dup3");
  Sys(SYS_close, fd);
  FileFacts facts;
  AskFile(AT_FDCWD, ring.fd, facts);
  if (method == RingMethod::kNoMmap && !Remember(ring, facts.inode)) {
    return {ENOMEM, "io_uring_setup", nullptr};
  }
  return Requeue(ring);
}

}  // namespace livefork
