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

// A private mapping to test for inheritance; unknown if the test is not possible.
struct Probe {
  Range range;
  bool follows;  // directly after another one, or after a hole
  bool known;
  bool dontfork;
};

struct Found {
  List<Probe> probes;
  List<Range> others;     // private ones that are not tested
  List<Range> stretches;  // all private ones, with holes but no other mappings between them
};

// madvise(2) for thousands of ranges. process_madvise(2) halves the time for 4,281 of them, and
// accepts such advice for the caller's own memory since Linux 6.13 (process_madvise_remote_valid()
// in mm/madvise.c). It stops at the first range that fails. It is not used under a seccomp filter,
// which may end the process for an unknown call.
class Adviser {
 public:
  Adviser() {
    if (Sys(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0) == 0) {
      self_.Reset(Sys(SYS_pidfd_open, Sys(SYS_getpid), 0));
    }
  }

  // If the kernel has no room for a split (ENOMEM, vm.max_map_count), the result is unknown.
  void HideFirstPages(const List<Probe>& probes) {
    for (auto at = probes.begin(); at != probes.end();) {
      Probe* given[kMost];
      size_t count = 0;
      for (; at != probes.end() && count < kMost; ++at) {
        given[count] = &*at;
        pages_[count++] = {reinterpret_cast<void*>((*at).range.start), kPage};
      }
      if (AtOnce(count)) continue;
      for (size_t i = 0; i < count; ++i) {
        const long r = Sys(SYS_madvise, pages_[i].iov_base, kPage, MADV_DONTFORK);
        given[i]->known = r >= 0;
      }
    }
  }

 private:
  static constexpr size_t kMost = 256;

  bool AtOnce(size_t count) const {
    if (self_.get() < 0) return false;
    const long n = Sys(SYS_process_madvise, self_.get(), pages_, count, MADV_DONTFORK, 0);
    return n >= 0 && static_cast<size_t>(n) == count * kPage;
  }

  Fd self_;
  iovec pages_[kMost];
};

// Parses an address in maps up to the blank or hyphen after it. It has no branch for each digit,
// because this is most of the work for the thousand lines of a 200 MB heap.
uintptr_t Address(const char*& text) {
  uintptr_t value = 0;
  for (unsigned c; (c = static_cast<unsigned char>(*text)) > '-'; ++text) {
    value = value << 4 | ((c & 15) + (c >> 6) * 9);
  }
  return value;
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

// Mappings with the kernel's names ("[heap]", "[stack]") and a file's text are never MADV_DONTFORK.
// A single page cannot split.
bool CanTell(const Mapping& m) {
  return m.inode == 0 && m.name[0] != '[' && m.range.end - m.range.start > kPage;
}

// "[vdso]", "[vvar]", "[vvar_vclock]", "[vsyscall]": always inherited (VM_SPECIAL).
bool IsKernels(const Mapping& m) {
  return m.range.start >= kUserEnd || (m.name[0] == '[' && m.name[1] == 'v');
}

// Lists the mappings, separated by whether they can be tested.
class Lister {
 public:
  Lister(Arena& arena, Found& found, List<RingMapping>& rings)
      : arena_(arena), found_(found), rings_(rings) {}

  bool Add(const Mapping& m) {
    if (strcmp(m.name, "anon_inode:[io_uring]") == 0) {
      RingMapping* ring = rings_.Add(arena_);
      if (ring != nullptr) *ring = {m.range, m.inode, m.offset};
      return End() && ring != nullptr;
    }
    if (!m.is_private || IsKernels(m)) return End();
    if (stretch_ == nullptr) {
      stretch_ = found_.stretches.Add(arena_);
      if (stretch_ == nullptr) return false;
      stretch_->start = m.range.start;
    }
    stretch_->end = m.range.end;
    return CanTell(m) ? AddProbe(m.range) : AddOther(m.range);
  }

 private:
  bool End() {
    stretch_ = nullptr;
    follows_ = false;
    return true;
  }
  bool AddProbe(const Range& range) {
    Probe* probe = found_.probes.Add(arena_);
    if (probe != nullptr) *probe = {range, follows_, true, false};
    follows_ = true;
    return probe != nullptr;
  }
  bool AddOther(const Range& range) {
    Range* other = found_.others.Add(arena_);
    if (other != nullptr) *other = range;
    follows_ = false;
    return other != nullptr;
  }

  Arena& arena_;
  Found& found_;
  List<RingMapping>& rings_;
  Range* stretch_ = nullptr;
  bool follows_ = false;
};

// Both lists ascend, so one pass finds the boundaries that the probes made.
Failure FindSplits(int maps, List<Probe>& probes) {
  if (long r = Sys(SYS_lseek, maps, 0, 0); r < 0) return Check(r, "lseek");
  Lines lines(maps);
  uintptr_t start = 0;
  for (Probe& probe : probes) {
    const uintptr_t boundary = probe.range.start + kPage;
    while (start < boundary) {
      const char* line = lines.Next();
      if (line == nullptr && lines.error() < 0) return Check(lines.error(), "read");
      start = line == nullptr ? UINTPTR_MAX : Address(line);
    }
    probe.dontfork = probe.known && start != boundary;
  }
  return {};
}

// madvise(2) of a stretch continues after a hole, and returns ENOMEM at the end.
long Advise(const Range& range, int advice) {
  const long r = Sys(SYS_madvise, range.start, range.end - range.start, advice);
  return r == -ENOMEM ? 0 : r;
}

// A child faults at a mapping that it did not inherit. Mappings of the kernel (VM_SPECIAL), which a
// driver may have made among the others, are always inherited, and madvise(2) returns EINVAL for
// them. Then the rest of the stretch is handled mapping by mapping.
Failure ShareAll(const Found& found) {
  Failure failure;
  bool each = false;
  const auto share = [&](const Range& range) {
    const long r = Advise(range, MADV_DOFORK);
    each = each || r == -EINVAL;
    if (r < 0 && r != -EINVAL && !failure) failure = Check(r, "madvise");
  };
  for (const Range& stretch : found.stretches) share(stretch);
  if (!each) return failure;
  for (const Probe& probe : found.probes) share(probe.range);
  for (const Range& other : found.others) share(other);
  return failure;
}

// Joins adjacent ranges, with only holes between them, into one.
bool ListHidden(const List<Probe>& probes, Arena& arena, List<Range>& hidden) {
  Range* last = nullptr;
  for (const Probe& probe : probes) {
    if (!probe.dontfork) {
      last = nullptr;
      continue;
    }
    if (last == nullptr || !probe.follows) {
      last = hidden.Add(arena);
      if (last == nullptr) return false;
      last->start = probe.range.start;
    }
    last->end = probe.range.end;
  }
  return true;
}

}  // namespace

Mapping ParseMapping(const char* line) {
  Mapping m{};
  m.range.start = Address(line);
  Skip(line, "-");
  m.range.end = Address(line);
  m.is_private = line[4] == 'p';
  line += 5;
  if (!Skip(line, " 00000000 00:00 0")) {
    m.offset = Number(line, 16);
    Number(line, 16);
    Skip(line, ":");
    Number(line, 16);
    m.inode = Number(line, 10);
  }
  while (*line == ' ') ++line;
  m.name = line;
  return m;
}

// smaps shows the flag, but counts every page: 23 ms for a heap of 450 MB, where this takes 5 ms.
// madvise gives the same information: if the first page of a mapping is made MADV_DONTFORK, the
// kernel splits the mapping if and only if it did not have the flag before. Most mappings are V8's
// and do not split, which is the cheap case. (A single page cannot split. It becomes inheritable
// and stays so, at the cost of one page in a child.)
Failure ShareMappings(int maps, Arena& arena, Mappings& mappings) {
  Found found;
  Lister lister(arena, found, mappings.rings);
  Failure failure = EachMapping(maps, [&](const Mapping& m) { return lister.Add(m); });
  if (failure) return failure;
  Adviser().HideFirstPages(found.probes);
  failure = FindSplits(maps, found.probes);
  if (!failure && !ListHidden(found.probes, arena, mappings.hidden)) failure = kArenaFull;
  const Failure unshared = ShareAll(found);
  return failure ? failure : unshared;
}

void RestoreMappings(Mappings& mappings) {
  for (const Range& range : mappings.hidden) Advise(range, MADV_DONTFORK);
}

}  // namespace livefork
