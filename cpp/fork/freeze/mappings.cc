#include "fork/freeze/mappings.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "fork/base/procfs.h"

namespace livefork {
namespace {

const uintptr_t kPage = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));  // 4, 16 or 64 KiB on arm64
constexpr uintptr_t kUserEnd = uintptr_t{1} << 63;                      // above: [vsyscall]

long Advise(uintptr_t start, uintptr_t end, int advice) {
  return Sys(SYS_madvise, start, end - start, advice);
}

template <typename F>
Failure EachMapping(int maps, F f) {
  if (long r = Sys(SYS_lseek, maps, 0, 0); r < 0) return Check(r, "lseek");
  Lines lines(maps);
  while (const char* line = lines.Next()) {
    if (!f(ParseMapping(line))) return kArenaFull;
  }
  return Check(lines.error(), "read");
}

// An anonymous private mapping, and whether making its first page one that a child does not get
// changed anything.
struct Probe {
  Range range;
  bool dontfork;
};

// The kernel's own names ("[heap]", "[stack]", "[vvar]") are never MADV_DONTFORK, a file's text
// neither; a single page cannot split.
bool CanTell(const Mapping& m) {
  return m.inode == 0 && m.name[0] != '[' && m.range.end - m.range.start > kPage;
}

// A mapping that a child does not get is one at which it faults. The kernel's own (VM_SPECIAL) are
// inherited as they are, and say EINVAL.
Failure Share(const Range& range) {
  const long r = Advise(range.start, range.end, MADV_DOFORK);
  return r == -EINVAL ? Failure{} : Check(r, "madvise");
}

Failure ProbeAll(int maps, Arena& arena, List<Probe>& probes, List<RingMapping>& rings) {
  Failure unshared;
  Failure failure = EachMapping(maps, [&](const Mapping& m) {
    if (strcmp(m.name, "anon_inode:[io_uring]") == 0) {
      RingMapping* ring = rings.Add(arena);
      if (ring != nullptr) *ring = {m.range, m.inode, m.offset};
      return ring != nullptr;
    }
    if (!m.is_private || m.range.start >= kUserEnd) return true;
    // Where the kernel has no room for a split (ENOMEM, vm.max_map_count) nothing can be told.
    if (!CanTell(m) || Advise(m.range.start, m.range.start + kPage, MADV_DONTFORK) != 0) {
      unshared = Share(m.range);
      return !unshared;
    }
    Probe* probe = probes.Add(arena);
    if (probe != nullptr) *probe = {m.range, true};
    return probe != nullptr;
  });
  return unshared ? unshared : failure;
}

// Both lists ascend, so one walk over each finds the boundaries that the probes made.
Failure FindSplits(int maps, Arena& arena, List<Probe>& probes) {
  List<Range> now;
  Failure failure = EachMapping(maps, [&](const Mapping& m) {
    Range* range = now.Add(arena);
    if (range != nullptr) *range = m.range;
    return range != nullptr;
  });
  if (failure) return failure;
  auto at = now.begin();
  for (Probe& probe : probes) {
    const uintptr_t boundary = probe.range.start + kPage;
    while (at != now.end() && (*at).start < boundary) ++at;
    probe.dontfork = at == now.end() || (*at).start != boundary;
  }
  return {};
}

}  // namespace

Mapping ParseMapping(const char* line) {
  Mapping m{};
  m.range.start = Number(line, 16);
  Skip(line, "-");
  m.range.end = Number(line, 16);
  m.is_private = line[4] == 'p';
  line += 5;
  m.offset = Number(line, 16);
  Number(line, 16);
  Skip(line, ":");
  Number(line, 16);
  m.inode = Number(line, 10);
  while (*line == ' ') ++line;
  m.name = line;
  return m;
}

// smaps would name the flag, but counts every page on the way: 23 ms for a heap of 450 MB, where
// this takes 5 ms. madvise tells as much: where the first page of a mapping is made
// MADV_DONTFORK, the kernel splits the mapping if and only if it was not so before. V8's mappings
// are the many and do not split, which is the cheap case. (One page alone cannot split. It becomes
// inheritable and stays so, at the cost of one page in a child.)
Failure ShareMappings(int maps, Arena& arena, Mappings& found) {
  List<Probe> probes;
  Failure failure = ProbeAll(maps, arena, probes, found.rings);
  if (!failure) failure = FindSplits(maps, arena, probes);
  const bool known = !failure;
  for (const Probe& probe : probes) {
    if (Failure unshared = Share(probe.range); unshared && !failure) failure = unshared;
    if (!known || !probe.dontfork) continue;
    Range* range = found.dontfork.Add(arena);
    if (range == nullptr) {
      failure = kArenaFull;
    } else {
      *range = probe.range;
    }
  }
  return failure;
}

void RestoreMappings(Mappings& found) {
  for (const Range& range : found.dontfork) Advise(range.start, range.end, MADV_DONTFORK);
}

}  // namespace livefork
