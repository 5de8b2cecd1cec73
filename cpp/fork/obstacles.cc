// Obstacles to a fork that can be found beforehand.
#include "fork/obstacles.h"

#include <signal.h>

#include <initializer_list>

#include "fork/fork.h"
#include "fork/objects/ring.h"
#include "fork/objects/ring_setup.h"
#include "fork/park/confined.h"
#include "fork/rebuild/threads.h"

namespace livefork {
const char* ProcObstacle(long opened) {
  if (opened < 0) return "/proc is not readable";
  char link[32] = {};
  const long r = Sys(SYS_readlinkat, AT_FDCWD, "/proc/self", link, sizeof link - 1);
  // ENOENT: a process that is not in that namespace has no pid there.
  if (r < 0 && r != -ENOENT) return "readlinkat(2) is not permitted";
  const char* at = link;
  const bool ours = Number(at, 10) == static_cast<uint64_t>(Sys(SYS_getpid));
  return ours ? nullptr : "/proc belongs to another PID namespace";
}

const char* SignalObstacle() {
  siginfo_t info{};
  info.si_code = SI_QUEUE;
  long r = Sys(SYS_rt_tgsigqueueinfo, Sys(SYS_getpid), Sys(SYS_gettid), 0, &info);
  return r == 0 ? nullptr : "rt_tgsigqueueinfo(2) is not permitted";
}

size_t Obstacles(const char** reasons, size_t room) {
  ProbeRings();
  ProcFiles files;
  const char* syscall = nullptr;
  const long opened = files.Open(syscall);
  // A full descriptor table does not count here: fork() reports it as its own error.
  const bool full = opened == -EMFILE || opened == -ENFILE;
  const char* proc = full ? nullptr : ProcObstacle(opened);
  // Another namespace's /proc lists other thread ids.
  const bool blind = opened < 0 || proc != nullptr;
  const char* ring = blind ? nullptr : AnyRingObstacle(files);
  const char* confined = blind ? nullptr : ConfinementObstacle(files.task.get());
  size_t n = 0;
  for (const char* reason : {ThreadObstacle(), SignalObstacle(), proc, ring, confined}) {
    if (reason != nullptr && n < room) reasons[n++] = reason;
  }
  return n;
}

}  // namespace livefork
