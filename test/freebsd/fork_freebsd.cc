// Live fork with real threads: two that hand a turn to each other by a condition variable, one that
// counts under a mutex between sleeps, one that runs a kqueue loop, woken by a pipe and a user
// event.
#include <pthread.h>
#include <sys/types.h>
// Its types first.
#include <sys/event.h>

#include <atomic>

#include "children.h"
#include "fork/fork.h"
#include "tap.h"

namespace {

pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
int turn = 0;
std::atomic<unsigned> turns{0}, counted{0}, piped{0}, poked{0};
int queue = -1;
int wake[2] = {-1, -1};

void* TakeTurns(void* argument) {
  const int own = argument == nullptr ? 0 : 1;
  pthread_mutex_lock(&mutex);
  for (;;) {
    while (turn != own) pthread_cond_wait(&turned, &mutex);
    turn = 1 - own;
    ++turns;
    pthread_cond_signal(&turned);
    // Not so fast that nobody ever sees the two of them wait; and no lock is held while one sleeps.
    pthread_mutex_unlock(&mutex);
    usleep(500);
    pthread_mutex_lock(&mutex);
  }
}

void* Count(void*) {
  for (;;) {
    usleep(2000);
    pthread_mutex_lock(&mutex);
    ++counted;
    pthread_mutex_unlock(&mutex);
  }
}

void* Loop(void*) {
  for (;;) {
    struct kevent event;
    if (kevent(queue, nullptr, 0, &event, 1, nullptr) != 1) continue;
    if (event.filter == EVFILT_USER) ++poked;
    char byte;
    if (event.filter == EVFILT_READ && read(wake[0], &byte, 1) == 1) ++piped;
  }
}

void Change(uintptr_t id, short filter, unsigned short flags, unsigned fflags) {
  struct kevent change;
  EV_SET(&change, id, filter, flags, fflags, 0, nullptr);
  EQUAL(kevent(queue, &change, 1, nullptr, 0, nullptr), 0);
}

void Begin() {
  setenv("DAEMONKIT_FREEBSD_LIVE_FORK", "1", 1);
  const char* reason = nullptr;
  if (livefork::Obstacles(&reason, 1) != 0) tap::Skip(reason);
  queue = kqueue();
  fcntl(queue, F_SETFD, FD_CLOEXEC);
  EQUAL(pipe2(wake, O_CLOEXEC | O_NONBLOCK), 0);
  Change(static_cast<uintptr_t>(wake[0]), EVFILT_READ, EV_ADD, 0);
  Change(1, EVFILT_USER, EV_ADD | EV_CLEAR, 0);
  pthread_t thread;
  EQUAL(pthread_create(&thread, nullptr, TakeTurns, nullptr), 0);
  EQUAL(pthread_create(&thread, nullptr, TakeTurns, &mutex), 0);
  EQUAL(pthread_create(&thread, nullptr, Count, nullptr), 0);
  EQUAL(pthread_create(&thread, nullptr, Loop, nullptr), 0);
}

bool Grows(const std::atomic<unsigned>& number) {
  const unsigned before = number;
  for (int tries = 0; tries < 10000; ++tries) {
    if (number > before) return true;
    usleep(1000);
  }
  return false;
}

// Each thread gets on, and the loop is woken by what this process writes.
bool AllGoOn() {
  if (!Grows(turns) || !Grows(counted)) return false;
  const unsigned pipes = piped, users = poked;
  Change(1, EVFILT_USER, 0, NOTE_TRIGGER);
  if (write(wake[1], "", 1) != 1) return false;
  for (int tries = 0; tries < 10000 && (piped == pipes || poked == users); ++tries) usleep(1000);
  return piped == pipes + 1 && poked > users;
}

int Fork() {
  livefork::ForkRequest request{};
  request.timeout = 10000000000;
  const livefork::ForkResult result = livefork::Fork(request);
  if (result.pid < 0) {
    tap::Fail(__FILE__, __LINE__,
              std::string(result.failure.syscall) + " " + std::to_string(result.failure.error) +
                  " " + (result.failure.reason == nullptr ? "" : result.failure.reason));
  }
  return result.pid;
}

}  // namespace

TEST(ForkThreads, "live fork: every thread goes on, in parent, child and grandchild") {
  Begin();
  const int child = Fork();
  if (child == 0) {
    const int grandchild = Fork();
    if (grandchild == 0) _exit(AllGoOn() ? 0 : 1);
    const bool good = grandchild > 0 && AllGoOn() && tap::Await(grandchild) == 0;
    _exit(good ? 0 : 2);
  }
  HOLDS(AllGoOn());
  EQUAL(tap::Await(child), 0);
}

TEST(ForkOften, "live fork: fifty in a row, each child with its own wake-ups") {
  Begin();
  for (int i = 0; i < 50; ++i) {
    const int child = Fork();
    if (child == 0) _exit(AllGoOn() ? 0 : 1);
    if (child < 0) return;
    EQUAL(tap::Await(child), 0);
  }
  HOLDS(AllGoOn());
}

TEST(ForkJoin, "live fork: a child joins a thread of its parent's") {
  Begin();
  static std::atomic<bool> end{false};
  pthread_t thread;
  EQUAL(pthread_create(
            &thread, nullptr,
            [](void*) -> void* {
              while (!end) usleep(1000);
              return &end;
            },
            nullptr),
        0);
  const int child = Fork();
  end = true;
  void* result = nullptr;
  EQUAL(pthread_join(thread, &result), 0);
  HOLDS(result == &end);
  if (child == 0) _exit(result == &end ? 0 : 1);
  EQUAL(tap::Await(child), 0);
}
