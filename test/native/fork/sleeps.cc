// Waits with a time limit that a park cuts, without anything seen of them beforehand: on aarch64
// their first argument is lost, so they go on only if it does not matter.
#include "sleeps.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <ctime>

#include "fork/base/procfs.h"
#include "fork/park/park.h"

namespace {

constexpr long kLong = 300000000;  // ns

int Nanosleep() {
  const timespec span{0, kLong};
  return nanosleep(&span, nullptr);
}

int ClockNanosleep() {
  const timespec span{0, kLong};
  return clock_nanosleep(CLOCK_MONOTONIC, 0, &span, nullptr);
}

int Poll() {
  return poll(nullptr, 0, kLong / 1000000);
}

int Select() {
  timeval span{0, kLong / 1000};
  return select(0, nullptr, nullptr, nullptr, &span);
}

// sem_timedwait(3) hands EINTR on, and looks at its word again after any other end of the wait.
int Semaphore() {
  sem_t semaphore;
  sem_init(&semaphore, 0, 0);
  timespec end;
  clock_gettime(CLOCK_REALTIME, &end);
  end.tv_nsec += kLong;
  if (end.tv_nsec >= 1000000000) end = {end.tv_sec + 1, end.tv_nsec - 1000000000};
  const int result = sem_timedwait(&semaphore, &end);
  return result < 0 && errno == ETIMEDOUT ? 0 : -1;
}

struct Sleep {
  const char* name;
  int (*call)();
  std::atomic<int> tid{0};
  pthread_t thread{};
  int result = -1;
  uint64_t lasted = 0;
};
Sleep sleeps[] = {
    {"nanosleep(3) goes on", Nanosleep},           {"clock_nanosleep(2) goes on", ClockNanosleep},
    {"poll(2) without descriptors goes on", Poll}, {"select(2) without sets goes on", Select},
    {"sem_timedwait(3) does not end", Semaphore},
};

void* Run(void* argument) {
  auto& sleep = *static_cast<Sleep*>(argument);
  sleep.tid = static_cast<int>(livefork::Sys(SYS_gettid));
  const uint64_t begin = livefork::MonotonicNs();
  sleep.result = sleep.call();
  sleep.lasted = livefork::MonotonicNs() - begin;
  return nullptr;
}

// Parks them ten times while they sleep. The list has their ids and no file that shows their calls.
bool Park(livefork::Arena& arena) {
  char folder[] = "/tmp/fork-host-XXXXXX";
  if (mkdtemp(folder) == nullptr) abort();
  const int list = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  for (Sleep& sleep : sleeps) {
    mkdirat(list, livefork::Decimal(static_cast<unsigned>(sleep.tid)).text, 0700);
  }
  bool parked = true;
  for (int i = 0; i < 10 && parked; ++i) {
    const timespec pause{0, kLong / 20};
    livefork::Sys(SYS_nanosleep, &pause, nullptr);
    livefork::SignalsBlocked blocked;
    livefork::Park park;
    parked = !ParkThreads(list, arena, livefork::MonotonicNs() + 20000000000, park);
    if (parked) livefork::ReleaseThreads();
    arena.Clear();
  }
  for (Sleep& sleep : sleeps) {
    unlinkat(list, livefork::Decimal(static_cast<unsigned>(sleep.tid)).text, AT_REMOVEDIR);
  }
  close(list);
  rmdir(folder);
  return parked;
}

}  // namespace

void CheckSleeps(void (*test)(bool, const char*), livefork::Arena& arena) {
  for (Sleep& sleep : sleeps) {
    if (pthread_create(&sleep.thread, nullptr, Run, &sleep) != 0) abort();
    while (sleep.tid == 0) usleep(100);
  }
  test(Park(arena), "threads that sleep park");
  for (Sleep& sleep : sleeps) {
    pthread_join(sleep.thread, nullptr);
    test(sleep.result == 0 && sleep.lasted >= kLong, sleep.name);
  }
}
