#include "fork/park/confined.h"

#include <linux/capability.h>
#include <linux/kcmp.h>
#include <sys/prctl.h>

#include <cstring>
#include <initializer_list>

#include "fork/base/procfs.h"
#include "fork/park/park.h"

namespace livefork {
namespace {

constexpr const char* kOwn =
    "a thread has a user, capabilities, no_new_privs or a seccomp filter of its own";
constexpr const char* kUnshared =
    "a thread has a working directory, root, umask or descriptor table of its own (unshare(2))";
constexpr const char* kNamespace = "a thread is in a network namespace of its own";

void HashGroups(Confinement& c) {
  constexpr int kMost = 64;  // of the signal handler's stack; more are told apart by their number
  uint32_t groups[kMost] = {};
  const long count = Sys(SYS_getgroups, kMost, groups);
  c.groups = static_cast<uint32_t>(count > 0 ? count : Sys(SYS_getgroups, 0, nullptr));
  for (long i = 0; i < count; ++i) c.groups = c.groups * 31 + groups[i];
}

// "TID/name" below /proc/self/task.
struct TaskPath {
  char text[48];
  TaskPath(int tid, const char* name) {
    Name digits = Decimal(static_cast<unsigned>(tid));
    size_t n = strlen(digits.text);
    memcpy(text, digits.text, n);
    text[n++] = '/';
    const size_t length = strlen(name);
    memcpy(text + n, name, length + 1);
  }
};

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

// Where kcmp(2) is not there or not permitted nothing can be told.
bool Unshared(int self, int tid) {
  return Sys(SYS_kcmp, self, tid, KCMP_FS, 0, 0) > 0 ||
         Sys(SYS_kcmp, self, tid, KCMP_FILES, 0, 0) > 0;
}

struct Link {
  char text[32] = {};
  Link(int task, int tid) {
    Sys(SYS_readlinkat, task, TaskPath(tid, "ns/net").text, text, sizeof text - 1);
  }
};

const char* SharedObstacle(int task, int self, int tid, const Link& net) {
  if (Unshared(self, tid)) return kUnshared;
  const Link other(task, tid);
  return other.text[0] != '\0' && strcmp(other.text, net.text) != 0 ? kNamespace : nullptr;
}

// The lines of /proc/self/task/TID/status that tell what a thread may do.
bool Confines(const char* line) {
  for (const char* name : {"Uid:", "Gid:", "Groups:", "CapInh:", "CapPrm:", "CapEff:",
                           "NoNewPrivs:", "Seccomp:", "Seccomp_filters:"}) {
    const char* at = line;
    if (Skip(at, name)) return true;
  }
  return false;
}

// 0: the thread is gone.
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

}  // namespace

void DescribeConfinement(Confinement& c) {
  uint32_t* ids = c.ids;
  Sys(SYS_getresuid, ids, ids + 1, ids + 2);
  Sys(SYS_getresgid, ids + 3, ids + 4, ids + 5);
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  Sys(SYS_capget, &header, c.capabilities);
  HashGroups(c);
  c.no_new_privileges = static_cast<int>(Sys(SYS_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  c.seccomp = static_cast<int>(Sys(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0));
}

Failure CheckConfinement(const Park& park, const Thread& self, int task) {
  const bool filtered = self.confinement.seccomp == 2;
  const uint64_t filters = filtered ? SeccompFilters(task, self.tid) : 0;
  const Link net(task, self.tid);
  const char* obstacle = nullptr;
  park.Each([&](const Thread& thread) {
    if (obstacle != nullptr) return;
    if (memcmp(&thread.confinement, &self.confinement, sizeof self.confinement) != 0 ||
        (filtered && SeccompFilters(task, thread.tid) != filters)) {
      obstacle = kOwn;
    } else {
      obstacle = SharedObstacle(task, self.tid, thread.tid, net);
    }
  });
  return obstacle == nullptr ? Failure{} : Failure{ENOTSUP, "fork", obstacle};
}

const char* ConfinementObstacle(int task) {
  const int self = static_cast<int>(Sys(SYS_gettid));
  const uint64_t own = HashStatus(task, self);
  const Link net(task, self);
  const char* obstacle = nullptr;
  EachNumber(task, [&](int tid) {
    const uint64_t other = tid == self ? own : HashStatus(task, tid);
    if (other != 0 && other != own) obstacle = kOwn;
    if (obstacle == nullptr) obstacle = SharedObstacle(task, self, tid, net);
    return obstacle == nullptr;
  });
  return obstacle;
}

}  // namespace livefork
