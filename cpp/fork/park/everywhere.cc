// Changes that every thread of the process must make: each thread makes them itself while all are
// parked.
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include <cstring>

#include "fork/base/procfs.h"
#include "fork/fork.h"
#include "fork/obstacles.h"
#include "fork/state.h"
#include "libc.h"

namespace livefork {
namespace {

constexpr size_t kMostGroups = 65536;  // NGROUPS_MAX

struct Caller {
  Confinement confinement;
  long count;
  uint32_t groups[kMostGroups];
};

bool SameUser(const Confinement& a, const Confinement& b) {
  return memcmp(a.ids, b.ids, sizeof a.ids) == 0 && a.groups == b.groups;
}

// The user comes first: if root is regained, the groups may be set again; if root was dropped, an
// earlier call has set them.
long TakeUserOver(const void* argument) {
  const auto& caller = *static_cast<const Caller*>(argument);
  const uint32_t* ids = caller.confinement.ids;
  Sys(SYS_setresuid, ids[0], ids[1], ids[2]);
  Sys(SYS_setgroups, caller.count, caller.groups);
  Sys(SYS_setresgid, ids[3], ids[4], ids[5]);
  Sys(SYS_setresuid, ids[0], ids[1], ids[2]);
  Confinement now;
  DescribeConfinement(now);
  return SameUser(now, caller.confinement) ? 0 : -EPERM;
}

// Drops inheritable capabilities too, which needs no privilege: together with those of a program
// file they would be regained.
long SetNoNewPrivileges(const void*) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[2]{};
  long r = Sys(SYS_capget, &header, sets);
  for (auto& set : sets) set.inheritable = 0;
  if (r == 0) r = Sys(SYS_capset, &header, sets);
  return r < 0 ? r : Sys(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

// Parks the threads that `task` lists; without it, those that ParkThreads() finds. prepare runs in
// between, with memory from the arena.
template <typename Prepare>
int OnThreads(int task, uint64_t timeout, Errand errand, Prepare prepare) {
  Exclusive entry;
  if (entry.refused() || !state.arena.Reserve()) return -EAGAIN;
  SignalsBlocked blocked;
  Park park;
  park.awake = true;
  Failure failure = ParkThreads(task, state.arena, MonotonicNs() + timeout, park);
  const void* argument = failure ? nullptr : prepare();
  const size_t failed = failure ? 0 : ReleaseOnErrand(park, errand, argument);
  state.arena.Clear();
  if (failure) return -failure.error;
  return failed == 0 ? 0 : -EPERM;
}

// Without our own /proc, as in a chroot: a seccomp filter that allows everything, set for all
// threads, also sets no_new_privs for them (seccomp_sync_threads() of kernel/seccomp.c).
int ByFilter() {
  if (long r = SetNoNewPrivileges(nullptr); r < 0) return static_cast<int>(r);
  sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  const sock_fprog program{1, allow};
  const long r = Sys(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program);
  return r > 0 ? -EAGAIN : static_cast<int>(r);  // above 0: the thread that could not be changed
}

}  // namespace

int FollowCaller(uint64_t timeout) {
  // Includes threads that have updated their ids by now, possibly after libc examined them.
  if (state.kept.count == 0) return 0;
  // musl has changed only the caller (BeginChange()).
  const Fd task(kMissesKept ? -1 : Open("/proc/self/task"));
  const bool listed = !kMissesKept && ProcObstacle(task.get()) == nullptr;
  return OnThreads(listed ? task.get() : -1, timeout, TakeUserOver, []() -> const void* {
    auto* caller = state.arena.Take<Caller>();
    if (caller == nullptr) return nullptr;
    DescribeConfinement(caller->confinement);
    caller->count = Sys(SYS_getgroups, kMostGroups, caller->groups);
    return caller;
  });
}

int ForbidNewPrivileges(uint64_t timeout) {
  Fd task(Open("/proc/self/task"));
  // With the ids of another namespace every thread would seem to have ended.
  if (ProcObstacle(task.get()) != nullptr) return ByFilter();
  if (long r = SetNoNewPrivileges(nullptr); r < 0) return static_cast<int>(r);
  return OnThreads(task.get(), timeout, SetNoNewPrivileges,
                   []() -> const void* { return nullptr; });
}

}  // namespace livefork
