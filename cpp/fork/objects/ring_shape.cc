#include "fork/objects/ring_shape.h"

#include <unistd.h>

#include <cstring>

#include "fork/base/peek.h"
#include "fork/objects/ring_setup.h"

namespace livefork {
namespace {

// uv__iou_init() of libuv's src/unix/linux.c, 1.45 to 1.52: 256 entries for epoll_ctl(2), no flag
// except IORING_SETUP_NO_SQARRAY, so twice as many completions. (Its other ring has 64 entries and
// a kernel thread.)
constexpr uint32_t kEntries = 256, kCompletions = 512;
constexpr size_t kEntrySize = 64, kCompletionSize = 16;

constexpr uint8_t kNop = 0, kEpollCtl = 29;  // IORING_OP_*

constexpr const char* kNotLibuvs = "an io_uring ring does not belong to libuv";

size_t WholePages(size_t size) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return (size + page - 1) & ~(page - 1);
}

// Entries of 128 bytes and completions of 32 (IORING_SETUP_SQE128, CQE32) need larger mappings.
bool HasItsSize(const RingPlace& place) {
  const RingSupport& support = TheRingSupport();
  const size_t completions = support.cq.cqes + kCompletions * kCompletionSize;
  const size_t table = support.sq.array + kEntries * sizeof(uint32_t);
  const size_t ring = place.ring.end - place.ring.start;
  return (ring == WholePages(completions) || ring == WholePages(completions + table) ||
          ring == WholePages(table)) &&
         place.entries.end - place.entries.start == WholePages(kEntries * kEntrySize);
}

bool ReadWords(const ProcFiles& files, uintptr_t ring, RingWords& words) {
  const RingSupport& support = TheRingSupport();
  const struct {
    uint32_t offset;
    uint32_t& word;
  } all[] = {
      {support.sq.head, words.sq_head},         {support.sq.tail, words.sq_tail},
      {support.sq.ring_entries, words.sq_size}, {support.sq.dropped, words.dropped},
      {support.cq.head, words.cq_head},         {support.cq.tail, words.cq_tail},
      {support.cq.ring_entries, words.cq_size}, {support.cq.overflow, words.overflow},
  };
  char page[1024];  // struct io_rings: about 300 bytes before the completions
  if (!PeekAll(files, ring, page, sizeof page)) return false;
  for (const auto& [offset, word] : all) {
    if (offset > sizeof page - sizeof word) return false;
    memcpy(&word, page + offset, sizeof word);
  }
  return true;
}

// Each slot still shows its last use: in libuv's ring epoll_ctl(2), none yet, or a NOP that
// advanced the counter in a child (Requeue in ring.cc).
bool OnlyEpollCtl(const ProcFiles& files, uintptr_t entries) {
  char page[4096];
  for (size_t at = 0; at < kEntries * kEntrySize; at += sizeof page) {
    if (!PeekAll(files, entries + at, page, sizeof page)) return false;
    for (size_t slot = 0; slot < sizeof page; slot += kEntrySize) {
      const auto code = static_cast<uint8_t>(page[slot]);
      if (code != kNop && code != kEpollCtl) return false;
    }
  }
  return true;
}

}  // namespace

const char* ShapeObstacle(const ProcFiles& files, const RingPlace& place, RingWords& words) {
  if (!HasItsSize(place) || !ReadWords(files, place.ring.start, words)) return kNotLibuvs;
  if (words.sq_size != kEntries || words.cq_size != kCompletions) return kNotLibuvs;
  if (words.sq_tail - words.sq_head > kEntries) return kNotLibuvs;
  if (words.dropped != 0 || words.overflow != 0) return kNotLibuvs;
  return OnlyEpollCtl(files, place.entries.start) ? nullptr : kNotLibuvs;
}

}  // namespace livefork
