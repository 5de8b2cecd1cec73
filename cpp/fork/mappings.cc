#include "fork/mappings.h"

#include <sys/mman.h>

#include <cstring>

#include "fork/procfs.h"

namespace livefork {
namespace {

constexpr uintptr_t kPage = 4096;
constexpr uintptr_t kUserEnd = uintptr_t{1} << 63;  // above: [vsyscall]

long Advise(uintptr_t start, uintptr_t end, int advice) {
  return Sys(SYS_madvise, start, end - start, advice);
}

struct Mapping {
  Range range;
  bool is_private;
  uint64_t offset;
  uint64_t inode;
  const char* name;
};

// "start-end rwxp offset major:minor inode  name"
Mapping Parse(const char* line) {
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

template <typename F>
Failure EachMapping(int maps, F f) {
  if (long r = Sys(SYS_lseek, maps, 0, 0); r < 0) return Check(r, "lseek");
  Lines lines(maps);
  while (const char* line = lines.Next()) {
    if (!f(Parse(line))) return {ENOMEM, "mmap", nullptr};
  }
  return Check(lines.error(), "read");
}

struct Probe {
  Range range;
  bool dontfork;
};

Failure ProbeAll(int maps, Arena& arena, List<Probe>& probes, List<RingMapping>& rings) {
  return EachMapping(maps, [&](const Mapping& m) {
    if (strcmp(m.name, "anon_inode:[io_uring]") == 0) {
      RingMapping* ring = rings.Add(arena);
      if (ring != nullptr) *ring = {m.range, m.inode, m.offset};
      return ring != nullptr;
    }
    if (!m.is_private || m.range.start >= kUserEnd) return true;
    Probe* probe = probes.Add(arena);
    if (probe == nullptr) return false;
    *probe = {m.range, false};
    Advise(m.range.start, m.range.start + kPage, MADV_DOFORK);
    return true;
  });
}

// Both lists ascend, so one walk over each finds the boundaries that the probes made.
Failure FindSplits(int maps, List<Probe>& probes, Arena& arena) {
  size_t n = 0;
  auto* starts = arena.Take<uintptr_t>(2 * probes.size() + 4096);
  if (starts == nullptr) return {ENOMEM, "mmap", nullptr};
  const size_t room = 2 * probes.size() + 4096;
  Failure failure = EachMapping(maps, [&](const Mapping& m) {
    if (n < room) starts[n++] = m.range.start;
    return true;
  });
  if (failure) return failure;
  size_t at = 0;
  probes.Each([&](Probe& probe) {
    uintptr_t boundary = probe.range.start + kPage;
    while (at < n && starts[at] < boundary) ++at;
    probe.dontfork = boundary < probe.range.end && at < n && starts[at] == boundary;
  });
  return {};
}

}  // namespace

// smaps would name the flag, but counts every page on the way: 35 ms for a heap of 650 MB, where
// maps takes 0.6 ms. madvise tells as much: where the first page of a mapping is made inheritable,
// the kernel splits the mapping if and only if it was not inheritable before. (A mapping of one
// page cannot split. It is made inheritable and stays so, at the cost of one page in a child.)
Failure ShareMappings(int maps, Arena& arena, Mappings& found) {
  List<Probe> probes;
  if (Failure failure = ProbeAll(maps, arena, probes, found.rings)) return failure;
  if (Failure failure = FindSplits(maps, probes, arena)) return failure;
  bool fits = probes.All([&](Probe& probe) {
    if (!probe.dontfork) return true;
    Advise(probe.range.start, probe.range.end, MADV_DOFORK);
    Range* range = found.dontfork.Add(arena);
    if (range != nullptr) *range = probe.range;
    return range != nullptr;
  });
  return fits ? Failure{} : Failure{ENOMEM, "mmap", nullptr};
}

void RestoreMappings(Mappings& found) {
  found.dontfork.Each([](Range& range) { Advise(range.start, range.end, MADV_DONTFORK); });
}

}  // namespace livefork
