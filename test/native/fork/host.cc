// fork-host units | ROUNDS [steady]: cpp/fork without Node. Forks a process whose threads wait,
// poll, lock, allocate and compute; in every child each of them must continue and end in order, and
// in the parent too. With "steady" none of them starts threads. One line of JSON reports the work;
// the exit status is 0 if everything was right.
// FORK_HOST_PATIENCE: seconds until a fork is given up, for an emulated machine (default: 20).
#include <dirent.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "fork/fork.h"
#include "units.h"
#include "workers.h"

namespace {

constexpr uint64_t kSecond = 1000000000;

uint64_t Now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * kSecond + static_cast<uint64_t>(now.tv_nsec);
}

const char* role = "parent";
uint64_t patience = 20 * kSecond;

[[noreturn]] void Fail(const char* what, const char* detail) {
  dprintf(2, "%s %d: %s: %s\n", role, getpid(), what, detail);
  _exit(1);
}

void CheckFault(const Workers& workers) {
  if (const char* fault = Fault(workers)) Fail("a worker found wrong", fault);
}

// Every worker gets on by a few rounds.
void AwaitProgress(const Workers& workers) {
  constexpr uint64_t kRounds = 3;
  Progress first{}, now{};
  const size_t count = ReadProgress(workers, first);
  const uint64_t deadline = Now() + 3 * patience;
  for (size_t i = 0; i < count;) {
    ReadProgress(workers, now);
    CheckFault(workers);
    if (now.rounds[i] >= first.rounds[i] + kRounds) {
      ++i;
      continue;
    }
    if (Now() > deadline) Fail("a worker stands still", WorkerName(i));
    usleep(200);
  }
}

// As fork(2), but it fails by ending the process.
int Fork() {
  const livefork::ForkResult result = livefork::Fork({nullptr, patience, false, false});
  const livefork::Failure& failure = result.failure;
  if (failure) Fail(failure.syscall, failure.reason ? failure.reason : strerror(failure.error));
  return result.pid;
}

void Reap(int pid) {
  int status = 0;
  if (waitpid(pid, &status, 0) != pid) Fail("waitpid", strerror(errno));
  if (status != 0) Fail("a child ended badly", WIFSIGNALED(status) ? "by a signal" : "by itself");
}

// The effective group of one thread, as the kernel has it.
unsigned GroupOf(const char* task) {
  char path[64];
  char line[128];
  unsigned real = 0, effective = 0;
  snprintf(path, sizeof path, "/proc/self/task/%.16s/status", task);
  FILE* status = fopen(path, "re");
  while (status != nullptr && fgets(line, sizeof line, status) != nullptr) {
    if (sscanf(line, "Gid: %u %u", &real, &effective) == 2) break;
  }
  if (status != nullptr) fclose(status);
  return effective;
}

// setegid() reaches every thread by the id in libc's record, and by the signal that parks: both
// must be in order again. Only root may change the group.
void UseThreadIds() {
  if (geteuid() != 0) return;
  constexpr gid_t kGroup = 12345;
  // Some always keep an ancestor's: they are in read(2) or asleep, and may hold a lock for all that
  // is known.
  const bool alone = !livefork::AdoptIds(kSecond / 10);
  if (alone) livefork::BeginChange();
  if (setegid(kGroup) != 0) Fail("setegid", strerror(errno));
  if (alone) livefork::EndChange();
  if (livefork::FollowCaller(patience) != 0) Fail("FollowCaller", "not all threads");
  DIR* tasks = opendir("/proc/self/task");
  if (tasks == nullptr) Fail("opendir", strerror(errno));
  while (const dirent* entry = readdir(tasks)) {
    if (entry->d_name[0] == '.') continue;
    if (GroupOf(entry->d_name) != kGroup) Fail("a thread kept its group", entry->d_name);
  }
  closedir(tasks);
}

[[noreturn]] void BeChild(Workers& workers, int generation) {
  role = generation == 1 ? "child" : "grandchild";
  AwaitProgress(workers);
  if (generation == 1) {
    const int pid = Fork();
    if (pid == 0) BeChild(workers, 2);
    Reap(pid);
  }
  StopBusyWorkers(workers);
  livefork::AdoptCallerId();
  // One that waits in read(2) may hold a lock for all that is known, and keeps its parent's id.
  livefork::AdoptIds(0);
  UseThreadIds();
  StopWorkers(workers);
  CheckFault(workers);
  _exit(0);
}

}  // namespace

int main(int argc, char** argv) {
  setvbuf(stdout, nullptr, _IONBF, 0);
  if (argc > 1 && strcmp(argv[1], "units") == 0) return RunUnits();
  const char* seconds = getenv("FORK_HOST_PATIENCE");
  if (seconds != nullptr) patience = kSecond * strtoul(seconds, nullptr, 10);
  const int rounds = argc > 1 ? atoi(argv[1]) : 10;
  const char* reasons[8];
  if (const size_t n = livefork::Obstacles(reasons, 8)) {
    printf("{\"live\":false,\"reason\":\"%s\",\"reasons\":%zu}\n", reasons[0], n);
    return 2;
  }
  Workers& workers = StartWorkers(argc > 2 && strcmp(argv[2], "steady") == 0);
  uint64_t longest = 0, total = 0;
  for (int i = 0; i < rounds; ++i) {
    AwaitProgress(workers);
    const uint64_t start = Now();
    const int pid = Fork();
    // Every fourth child forks in its turn.
    if (pid == 0) BeChild(workers, i % 4 == 0 ? 1 : 2);
    const uint64_t pause = Now() - start;
    total += pause;
    if (pause > longest) longest = pause;
    Reap(pid);
  }
  AwaitProgress(workers);
  StopBusyWorkers(workers);
  UseThreadIds();
  StopWorkers(workers);
  CheckFault(workers);
  printf("{\"live\":true,\"forks\":%d,\"mean\":%.3f,\"max\":%.3f}\n", rounds,
         static_cast<double>(total) / rounds / 1e6, static_cast<double>(longest) / 1e6);
  return 0;
}
