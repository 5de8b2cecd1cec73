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
    // Slow enough that both can be seen waiting.
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

namespace {

// The next event of a kqueue, or false if there is none in this time.
bool Next(int from, struct kevent& event, int milliseconds) {
  const timespec patience{milliseconds / 1000, milliseconds % 1000 * 1000000L};
  return kevent(from, nullptr, 0, &event, 1, &patience) == 1;
}

bool Comes(int from, short filter) {
  struct kevent event;
  return Next(from, event, 10000) && event.filter == filter;
}

bool None(int from) {
  struct kevent event;
  return !Next(from, event, 100);
}

}  // namespace

TEST(ForkEvents, "live fork: a wake-up that no thread has taken yet, and a watched file") {
  Begin();
  const tap::Folder folder;
  const int file = tap::Create(folder.File("a"));
  const int own = kqueue();
  struct kevent changes[4];
  EV_SET(&changes[0], 7, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, &turn);
  EV_SET(&changes[1], 7, EVFILT_USER, 0, NOTE_TRIGGER, 0, &turn);
  EV_SET(&changes[2], static_cast<uintptr_t>(file), EVFILT_VNODE, EV_ADD | EV_CLEAR, NOTE_WRITE, 0,
         nullptr);
  // A long one: the child has none, and must not have one that fires all the time.
  EV_SET(&changes[3], 8, EVFILT_TIMER, EV_ADD, NOTE_SECONDS, 3600, nullptr);
  EQUAL(kevent(own, changes, 4, nullptr, 0, nullptr), 0);
  const int child = Fork();
  if (child == 0) {
    const bool quiet = Comes(own, EVFILT_USER) && None(own);
    const bool watched = write(file, "x", 1) == 1 && Comes(own, EVFILT_VNODE);
    _exit((quiet ? 0 : 1) + (watched ? 0 : 2));
  }
  if (child < 0) return;
  EQUAL(tap::Await(child), 0);
  HOLDS(Comes(own, EVFILT_USER));
  HOLDS(Comes(own, EVFILT_VNODE));
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

namespace {

// Three kinds: an ordinary one, one that counts, one of its owner's checks.
struct Held {
  pthread_mutex_t mutexes[3];
  std::atomic<bool> taken{false};
  std::atomic<int> result{-1};
};

void Init(Held& held) {
  const int types[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK};
  for (int i = 0; i < 3; ++i) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, types[i]);
    EQUAL(pthread_mutex_init(&held.mutexes[i], &attributes), 0);
    pthread_mutexattr_destroy(&attributes);
  }
}

int LockAll(Held& held) {
  int result = 0;
  for (pthread_mutex_t& one : held.mutexes) result |= pthread_mutex_lock(&one);
  return result;
}

int UnlockAll(Held& held) {
  int result = 0;
  for (pthread_mutex_t& one : held.mutexes) result |= pthread_mutex_unlock(&one);
  return result;
}

// Holds them over a sleep, in which the process forks.
void* Hold(void* argument) {
  auto& held = *static_cast<Held*>(argument);
  const int locked = LockAll(held);
  held.taken = true;
  usleep(500000);
  held.result = locked | UnlockAll(held);
  return nullptr;
}

// The lock is released, and any thread can take it again.
bool AllFree(Held& held) {
  for (int tries = 0; tries < 10000 && held.result < 0; ++tries) usleep(1000);
  return held.result == 0 && LockAll(held) == 0 && UnlockAll(held) == 0;
}

}  // namespace

TEST(ForkHeldBySleeper,
     "live fork: mutexes that a sleeping thread holds are its copy's to unlock") {
  Begin();
  static Held held;
  Init(held);
  pthread_t thread;
  EQUAL(pthread_create(&thread, nullptr, Hold, &held), 0);
  while (!held.taken) usleep(1000);
  const int child = Fork();
  if (child == 0) _exit(AllFree(held) ? 0 : 1);
  HOLDS(AllFree(held));
  EQUAL(tap::Await(child), 0);
}

TEST(ForkHeldByCaller,
     "live fork: mutexes that the forking thread holds are its to unlock in both") {
  Begin();
  static Held held;
  Init(held);
  EQUAL(LockAll(held), 0);
  const int child = Fork();
  const bool good = UnlockAll(held) == 0 && LockAll(held) == 0 && UnlockAll(held) == 0;
  if (child == 0) _exit(good ? 0 : 1);
  HOLDS(good);
  EQUAL(tap::Await(child), 0);
}

TEST(ForkAwaited,
     "live fork: a thread that waits for a mutex is waited for, and neither loses it") {
  Begin();
  static Held held;
  Init(held);
  pthread_t thread, other;
  EQUAL(pthread_create(&thread, nullptr, Hold, &held), 0);
  while (!held.taken) usleep(1000);
  static std::atomic<int> second{-1};
  EQUAL(pthread_create(
            &other, nullptr,
            [](void* argument) -> void* {
              auto& mine = *static_cast<Held*>(argument);
              const int locked = LockAll(mine);
              second = locked | UnlockAll(mine);
              return nullptr;
            },
            &held),
        0);
  const int child = Fork();
  for (int tries = 0; tries < 10000 && second < 0; ++tries) usleep(1000);
  const bool good = second == 0 && AllFree(held);
  if (child == 0) _exit(good ? 0 : 1);
  HOLDS(good);
  EQUAL(tap::Await(child), 0);
}

namespace {

pthread_mutex_t contended = PTHREAD_MUTEX_INITIALIZER;
std::atomic<unsigned> rounds[2];

// Sleeps with the mutex, so that the other one often waits for it, and longer without.
void* Contend(void* own) {
  for (;;) {
    pthread_mutex_lock(&contended);
    usleep(1000);
    pthread_mutex_unlock(&contended);
    ++*static_cast<std::atomic<unsigned>*>(own);
    usleep(3000);
  }
}

}  // namespace

TEST(ForkContended, "live fork: forty while two threads wait for a mutex in turn") {
  Begin();
  pthread_t thread;
  for (auto& own : rounds) EQUAL(pthread_create(&thread, nullptr, Contend, &own), 0);
  for (int i = 0; i < 40; ++i) {
    const int child = Fork();
    if (child == 0) _exit(Grows(rounds[0]) && Grows(rounds[1]) ? 0 : 1);
    if (child < 0) return;
    EQUAL(tap::Await(child), 0);
  }
  HOLDS(Grows(rounds[0]) && Grows(rounds[1]));
}
