#include "fork/freeze/mappings.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cstring>

#include "fork/base/procfs.h"

namespace livefork {
namespace {

const uintptr_t kPage = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));  // 4, 16 or 64 KiB on arm64
constexpr uintptr_t kUserEnd = uintptr_t{1} << 63;                      // above: [vsyscall]

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif

// madvise(2) for thousands of ranges, which is half the time for 4,281 of them where
// process_madvise(2) takes such advice for one's own memory: since Linux 6.13
// (process_madvise_remote_valid() in mm/madvise.c). It stops at the first range that fails. Not
// under a seccomp filter, which may end the process for a call that it does not know.
class Adviser {
 public:
  Adviser() {
    if (Sys(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0) == 0) {
      self_.Reset(Sys(SYS_pidfd_open, Sys(SYS_getpid), 0));
    }
  }

  // On what `range` makes of the items; failed(item, -errno) is called for each that fails.
  template <typename T, typename R, typename F>
  void Advise(int advice, const List<T>& items, R range, F failed) {
    for (auto at = items.begin(); at != items.end();) {
      T* given[kMost];
      size_t count = 0, total = 0;
      for (; at != items.end() && count < kMost; ++at) {
        const Range r = range(*at);
        if (r.start == r.end) continue;
        given[count] = &*at;
        ranges_[count] = {reinterpret_cast<void*>(r.start), r.end - r.start};
        total += ranges_[count++].iov_len;
      }
      if (AtOnce(advice, count, total)) continue;
      for (size_t i = 0; i < count; ++i) {
        const long r = Sys(SYS_madvise, ranges_[i].iov_base, ranges_[i].iov_len, advice);
        if (r < 0) failed(*given[i], r);
      }
    }
  }

 private:
  static constexpr size_t kMost = 256;

  bool AtOnce(int advice, size_t count, size_t total) const {
    if (self_.get() < 0) return false;
    const long n = Sys(SYS_process_madvise, self_.get(), ranges_, count, advice, 0);
    return n >= 0 && static_cast<size_t>(n) == total;
  }

  Fd self_;
  iovec ranges_[kMost];
};

template <typename F>
Failure EachMapping(int maps, F f) {
  if (long r = Sys(SYS_lseek, maps, 0, 0); r < 0) return Check(r, "lseek");
  Lines lines(maps);
  while (const char* line = lines.Next()) {
    if (!f(ParseMapping(line))) return kArenaFull;
  }
  return Check(lines.error(), "read");
}

// The kernel's own names ("[heap]", "[stack]") are never MADV_DONTFORK, a file's text neither; a
// single page cannot split.
bool CanTell(const Mapping& m) {
  return m.inode == 0 && m.name[0] != '[' && m.range.end - m.range.start > kPage;
}

// "[vdso]", "[vvar]", "[vvar_vclock]", "[vsyscall]": inherited whatever is said (VM_SPECIAL).
bool IsKernels(const Mapping& m) {
  return m.range.start >= kUserEnd || (m.name[0] == '[' && m.name[1] == 'v');
}

// Lists what there is, apart by whether it can be told.
Failure ListMappings(int maps, Arena& arena, List<Probe>& probes, List<Range>& others,
                     List<RingMapping>& rings) {
  return EachMapping(maps, [&](const Mapping& m) {
    if (strcmp(m.name, "anon_inode:[io_uring]") == 0) {
      RingMapping* ring = rings.Add(arena);
      if (ring != nullptr) *ring = {m.range, m.inode, m.offset};
      return ring != nullptr;
    }
    if (!m.is_private || IsKernels(m)) return true;
    if (!CanTell(m)) {
      Range* other = others.Add(arena);
      if (other != nullptr) *other = m.range;
      return other != nullptr;
    }
    Probe* probe = probes.Add(arena);
    if (probe != nullptr) *probe = {m.range, true, false};
    return probe != nullptr;
  });
}

// Both ascend, so one walk over each finds the boundaries that the probes made.
Failure FindSplits(int maps, List<Probe>& probes) {
  if (long r = Sys(SYS_lseek, maps, 0, 0); r < 0) return Check(r, "lseek");
  Lines lines(maps);
  uintptr_t start = 0;
  for (Probe& probe : probes) {
    const uintptr_t boundary = probe.range.start + kPage;
    while (start < boundary) {
      const char* line = lines.Next();
      if (line == nullptr && lines.error() < 0) return Check(lines.error(), "read");
      start = line == nullptr ? UINTPTR_MAX : Number(line, 16);
    }
    probe.dontfork = probe.known && start != boundary;
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
  List<Range> others;
  Failure failure = ListMappings(maps, arena, found.probes, others, found.rings);
  if (failure) return failure;
  const auto first_page = [](const Probe& p) {
    return Range{p.range.start, p.range.start + kPage};
  };
  // Where the kernel has no room for a split (ENOMEM, vm.max_map_count) nothing can be told.
  Adviser adviser;
  adviser.Advise(MADV_DONTFORK, found.probes, first_page, [](Probe& p, long) { p.known = false; });
  failure = FindSplits(maps, found.probes);
  // A mapping that a child does not get is one at which it faults. The kernel's own (VM_SPECIAL)
  // are inherited as they are, and say EINVAL.
  const auto unshared = [&](const auto&, long error) {
    if (error != -EINVAL && !failure) failure = Check(error, "madvise");
  };
  adviser.Advise(
      MADV_DOFORK, found.probes, [](const Probe& p) { return p.range; }, unshared);
  adviser.Advise(
      MADV_DOFORK, others, [](const Range& r) { return r; }, unshared);
  return failure;
}

void RestoreMappings(Mappings& found) {
  const auto those = [](const Probe& p) { return p.dontfork ? p.range : Range{}; };
  Adviser().Advise(MADV_DONTFORK, found.probes, those, [](const Probe&, long) {});
}

}  // namespace livefork
