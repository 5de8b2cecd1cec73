#include "fork/park/confined.h"

#include <linux/capability.h>
#include <linux/kcmp.h>
#include <sys/prctl.h>

#include <cstring>
#include <initializer_list>

#include "fork/base/procfs.h"
#include "fork/park/park.h"
#include "fork/park/rest.h"
#include "fork/state.h"

namespace livefork {
namespace {

constexpr const char* kOwn =
    "a thread has its own user, capabilities, no_new_privs or seccomp filter";
constexpr const char* kUnshared =
    "a thread has its own working directory, root, umask or descriptor table (unshare(2))";
constexpr const char* kNamespace = "a thread is in its own namespace (unshare(2), setns(2))";

void HashGroups(Confinement& c) {
  constexpr int kMost = 64;  // of the handler's stack; of more only the number counts
  uint32_t groups[kMost] = {};
  const long count = Sys(SYS_getgroups, kMost, groups);
  c.groups = static_cast<uint32_t>(count > 0 ? count : Sys(SYS_getgroups, 0, nullptr));
  for (long i = 0; i < count; ++i) c.groups = c.groups * 31 + groups[i];
}

// Until the kernel returns EINVAL for an unknown capability.
void ReadBounds(Confinement& c) {
  for (unsigned i = 0; i < 64; ++i) {
    const long has = Sys(SYS_prctl, PR_CAPBSET_READ, i, 0, 0, 0);
    if (has < 0) return;
    if (has > 0) c.bounds[i / 32] |= 1U << i % 32;
  }
}

// Filters are counted since 5.9. Of two threads that both have some, one may have more.
uint64_t SeccompFilters(int task, int tid) {
  Fd status(Sys(SYS_openat, task, TaskPath(tid, "status").text, O_RDONLY | O_CLOEXEC, 0));
  if (status.get() < 0) return 0;
  Lines lines(status.get());
  while (const char* line = lines.Next()) {
    if (Skip(line, "Seccomp_filters:")) return Number(line, 10);
  }
  return 0;
}

// If kcmp(2) is missing or not permitted, this is unknown.
bool Unshared(int self, int tid) {
  return Sys(SYS_kcmp, self, tid, KCMP_FS, 0, 0) > 0 ||
         Sys(SYS_kcmp, self, tid, KCMP_FILES, 0, 0) > 0;
}

// Namespaces that a thread can have alone while it shares files. A mount namespace implies its own
// working directory, and a user namespace a process with one thread.
struct Namespaces {
  static constexpr const char* kNames[] = {
      "ns/net", "ns/uts", "ns/ipc", "ns/pid_for_children", "ns/cgroup", "ns/time_for_children"};
  static constexpr size_t kNameCount = sizeof kNames / sizeof *kNames;
  char links[kNameCount][32] = {};
  Namespaces(int task, int tid) {
    for (size_t i = 0; i < kNameCount; ++i) {
      Sys(SYS_readlinkat, task, TaskPath(tid, kNames[i]).text, links[i], sizeof links[i] - 1);
    }
  }
  // A namespace for future children has no name until there is a child. For a thread that has ended
  // nothing is read.
  bool Differ(const Namespaces& other) const {
    return other.links[0][0] != '\0' && memcmp(links, other.links, sizeof links) != 0;
  }
};

const char* SharedObstacle(int task, int self, int tid, const Namespaces& own) {
  if (Unshared(self, tid)) return kUnshared;
  return own.Differ(Namespaces(task, tid)) ? kNamespace : nullptr;
}

// The lines of /proc/self/task/TID/status with a thread's privileges.
bool Confines(const char* line) {
  for (const char* name : {"Uid:", "Gid:", "Groups:", "CapInh:", "CapPrm:", "CapEff:", "CapBnd:",
                           "NoNewPrivs:", "Seccomp:", "Seccomp_filters:"}) {
    const char* at = line;
    if (Skip(at, name)) return true;
  }
  return false;
}

}  // namespace

uint64_t HashStatus(int task, int tid) {
  Fd status(Sys(SYS_openat, task, TaskPath(tid, "status").text, O_RDONLY | O_CLOEXEC, 0));
  if (status.get() < 0) return 0;
  uint64_t hash = 1;
  Lines lines(status.get());
  while (const char* line = lines.Next()) {
    if (!Confines(line)) continue;
    for (; *line != '\0'; ++line) hash = hash * 31 + static_cast<unsigned char>(*line);
  }
  return lines.error() < 0 ? 0 : hash;
}

void DescribeConfinement(Confinement& c) {
  uint32_t* ids = c.ids;
  Sys(SYS_getresuid, ids, ids + 1, ids + 2);
  Sys(SYS_getresgid, ids + 3, ids + 4, ids + 5);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  Sys(SYS_capget, &header, c.capabilities);
  HashGroups(c);
  ReadBounds(c);
  c.secure_bits = static_cast<int>(Sys(SYS_prctl, PR_GET_SECUREBITS, 0, 0, 0, 0));
  c.no_new_privileges = static_cast<int>(Sys(SYS_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  c.seccomp = static_cast<int>(Sys(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0));
}

namespace {

// The forking thread, with which the others are compared.
class Comparison {
 public:
  Comparison(const Thread& self, int task)
      : self_(self),
        task_(task),
        filtered_(self.confinement.seccomp == 2),
        filters_(filtered_ ? SeccompFilters(task, self.tid) : 0),
        own_(task, self.tid),
        shared_(Shared()) {}

  // Of a thread that has not run since it was compared only the caller can differ, and from all of
  // them alike: so one is asked for what the kernel compares.
  const char* Obstacle(const Thread& thread) {
    if (thread.resting == nullptr) return OfParked(thread);
    if (!thread.compared) return OfFirst(thread);
    changed_ = changed_ || state.rests.shared != shared_ || !SameAsNoted(thread);
    if (asked_) return nullptr;
    asked_ = true;
    return Unshared(self_.tid, thread.tid) ? kUnshared : nullptr;
  }

  bool changed() const { return changed_; }

  // All others are as the caller is.
  void Remember(const Park& park) const { RememberCompared(park, self_.confinement, shared_); }

 private:
  bool SameAsNoted(const Thread& thread) const {
    return memcmp(&thread.confinement, &self_.confinement, sizeof self_.confinement) == 0;
  }
  // What the caller has that is not in its Confinement.
  uint64_t Shared() const {
    uint64_t hash = filters_;
    for (const char* link : own_.links) {
      for (; *link != '\0'; ++link) hash = hash * 31 + static_cast<unsigned char>(*link);
    }
    return hash;
  }

  const char* OfParked(const Thread& thread) const {
    if (!SameAsNoted(thread)) return kOwn;
    if (filtered_ && SeccompFilters(task_, thread.tid) != filters_) return kOwn;
    return SharedObstacle(task_, self_.tid, thread.tid, own_);
  }

  // HoldResting() has compared what /proc shows: all but the securebits, which it has noted when
  // its rest began.
  const char* OfFirst(const Thread& thread) const {
    if (thread.confinement.secure_bits != self_.confinement.secure_bits) return kOwn;
    return SharedObstacle(task_, self_.tid, thread.tid, own_);
  }

  const Thread& self_;
  const int task_;
  const bool filtered_;
  const uint64_t filters_;
  const Namespaces own_;
  const uint64_t shared_;
  bool asked_ = false;
  bool changed_ = false;
};

}  // namespace

Failure CheckConfinement(const Park& park, const Thread& self, int task) {
  Comparison comparison(self, task);
  const char* obstacle = nullptr;
  park.Each([&](const Thread& thread) {
    if (obstacle == nullptr) obstacle = comparison.Obstacle(thread);
  });
  if (obstacle != nullptr) return {ENOTSUP, "fork", obstacle};
  if (comparison.changed()) return kChanged;
  comparison.Remember(park);
  return {};
}

const char* ConfinementObstacle(int task) {
  const int self = static_cast<int>(Sys(SYS_gettid));
  const uint64_t own = HashStatus(task, self);
  const Namespaces namespaces(task, self);
  const char* obstacle = nullptr;
  EachNumber(task, [&](int tid) {
    const uint64_t other = tid == self ? own : HashStatus(task, tid);
    if (other != 0 && other != own) obstacle = kOwn;
    if (obstacle == nullptr) obstacle = SharedObstacle(task, self, tid, namespaces);
    return obstacle == nullptr;
  });
  return obstacle;
}

}  // namespace livefork
