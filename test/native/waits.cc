#include "waits.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <ctime>

namespace waits {
namespace {

constexpr int64_t kMilli = 1000000;

int64_t Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 * kMilli + now.tv_nsec;
}

timespec Span(int64_t ns) {
  return {ns / (1000 * kMilli), ns % (1000 * kMilli)};
}

// Each waits that long and returns 0, or -1 with errno if it was interrupted.

int Poll(int64_t ns) {
  return poll(nullptr, 0, static_cast<int>(ns / kMilli));
}

int Ppoll(int64_t ns) {
  const timespec span = Span(ns);
  return ppoll(nullptr, 0, &span, nullptr);
}

int Select(int64_t ns) {
  timeval span{0, static_cast<suseconds_t>(ns / 1000)};
  return select(0, nullptr, nullptr, nullptr, &span);
}

int EpollWait(int64_t ns) {
  static const int epoll = epoll_create1(EPOLL_CLOEXEC);
  epoll_event event;
  return epoll_wait(epoll, &event, 1, static_cast<int>(ns / kMilli));
}

int Nanosleep(int64_t ns) {
  const timespec span = Span(ns);
  return nanosleep(&span, nullptr);
}

int Usleep(int64_t ns) {
  return usleep(static_cast<useconds_t>(ns / 1000));
}

int Result(int error) {
  errno = error;
  return error == 0 ? 0 : -1;
}

int ClockNanosleep(int64_t ns) {
  const timespec span = Span(ns);
  return Result(clock_nanosleep(CLOCK_MONOTONIC, 0, &span, nullptr));
}

int ClockNanosleepUntil(int64_t ns) {
  const timespec end = Span(Now() + ns);
  return Result(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, nullptr));
}

// By a separate instruction, as compilers make it: libc's syscall(2) has one for all calls, without
// a number before it. docs/live-fork-internals.md, "Calls that go on".
long WaitFor(const int* word, const timespec* span) {
#ifdef __x86_64__
  long result;
  register long limit asm("r10") = reinterpret_cast<long>(span);
  asm volatile("mov %1, %%eax\n\tsyscall"
               : "=&a"(result)
               : "i"(SYS_futex), "D"(word), "S"(FUTEX_WAIT_PRIVATE), "d"(0), "r"(limit)
               : "rcx", "r11", "memory");
  return result;
#else
  const long r = syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 0, span, nullptr, 0);
  return r < 0 ? -errno : r;
#endif
}

int Futex(int64_t ns) {
  static int word = 0;
  const timespec span = Span(ns);
  return WaitFor(&word, &span) == -ETIMEDOUT ? 0 : -1;
}

// A condition may wake up for no reason; POSIX lets it, so only its time is looked at.
int Condition(int64_t ns) {
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_t condition;
  pthread_cond_init(&condition, &monotonic);
  const timespec end = Span(Now() + ns);
  pthread_mutex_lock(&mutex);
  while (pthread_cond_timedwait(&condition, &mutex, &end) != ETIMEDOUT) {
  }
  pthread_mutex_unlock(&mutex);
  pthread_cond_destroy(&condition);
  return 0;
}

std::atomic<int64_t> lock_errors{0};

// Another thread of the same kind has the lock half of the time.
int HoldingLock(pthread_mutex_t* mutex, int depth, int64_t ns) {
  for (int i = 0; i < depth; ++i) lock_errors += pthread_mutex_lock(mutex) != 0;
  const int r = Nanosleep(ns / 4);
  for (int i = 0; i < depth; ++i) lock_errors += pthread_mutex_unlock(mutex) != 0;
  return r < 0 ? r : Nanosleep(ns - ns / 4);
}

template <int Type>
pthread_mutex_t* Mutex() {
  static pthread_mutex_t mutex;
  static const bool made = [] {
    pthread_mutexattr_t type;
    pthread_mutexattr_init(&type);
    pthread_mutexattr_settype(&type, Type);
    return pthread_mutex_init(&mutex, &type) == 0;
  }();
  return made ? &mutex : nullptr;
}

int Recursive(int64_t ns) {
  return HoldingLock(Mutex<PTHREAD_MUTEX_RECURSIVE>(), 3, ns);
}

int ErrorChecking(int64_t ns) {
  return HoldingLock(Mutex<PTHREAD_MUTEX_ERRORCHECK>(), 1, ns);
}

int way[2] = {-1, -1};

void* ReadSlowly(void*) {
  static char bytes[1 << 15];
  while (read(way[0], bytes, sizeof bytes) > 0) Nanosleep(kMilli);
  return nullptr;
}

// Into a pipe that has room for a part only: one call, which waits until all is through.
int WriteAll(int64_t ns) {
  static char bytes[1 << 20];
  static const bool begun = [] {
    pthread_t reader;
    return pipe2(way, O_CLOEXEC) == 0 &&
           pthread_create(&reader, nullptr, ReadSlowly, nullptr) == 0 &&
           pthread_detach(reader) == 0;
  }();
  const int64_t begin = Now();
  if (!begun || write(way[1], bytes, sizeof bytes) != sizeof bytes) return -1;
  const int64_t left = ns - (Now() - begin);
  return left > 0 ? Nanosleep(left) : 0;
}

struct Kind {
  const char* name;
  int (*wait)(int64_t ns);
  std::atomic<int64_t> made{0}, cut{0}, late{0};
  pthread_t thread{};

  Kind(const char* n, int (*w)(int64_t)) : name(n), wait(w) {}
};

Kind kinds[] = {
    {"poll", Poll},
    {"ppoll", Ppoll},
    {"select", Select},
    {"epoll_wait", EpollWait},
    {"nanosleep", Nanosleep},
    {"usleep", Usleep},
    {"clock_nanosleep", ClockNanosleep},
    {"clock_nanosleep until", ClockNanosleepUntil},
    {"futex", Futex},
    {"pthread_cond_timedwait", Condition},
    {"write", WriteAll},
    {"with a recursive lock", Recursive},
    {"with a recursive lock too", Recursive},
    {"with an error-checking lock", ErrorChecking},
    {"with an error-checking lock too", ErrorChecking},
};
constexpr int kKinds = sizeof kinds / sizeof kinds[0];
std::atomic<bool> running{false};
int started = 0;

void* Run(void* argument) {
  auto& kind = *static_cast<Kind*>(argument);
  // As libraries' threads do: a SIGCHLD that this thread gets, because the main one blocks it at
  // that moment, would cut a wait short by itself.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  // Of several lengths, so that a fork finds them at any point; whole milliseconds for poll().
  for (int64_t turn = &kind - kinds; running; ++turn) {
    const int64_t asked = (10 + turn * 7 % 41) * kMilli;
    const int64_t begin = Now();
    const int r = kind.wait(asked);
    const int64_t over = Now() - begin - asked;
    ++kind.made;
    if (r != 0 || over < 0) ++kind.cut;
    if (over / kMilli > kind.late) kind.late = over / kMilli;
  }
  return nullptr;
}

}  // namespace

int Start() {
  running = true;
  for (started = 0; started < kKinds; ++started) {
    Kind& kind = kinds[started];
    if (int error = pthread_create(&kind.thread, nullptr, Run, &kind); error != 0) return -error;
  }
  return 0;
}

int Stop() {
  running = false;
  int first = 0;
  for (; started > 0; --started) {
    const int error = pthread_join(kinds[started - 1].thread, nullptr);
    if (first == 0) first = -error;
  }
  return first;
}

int Kinds() {
  return kKinds;
}

Count CountOf(int i) {
  const Kind& kind = kinds[i];
  return {kind.name, kind.made, kind.cut, kind.late};
}

int64_t LockErrors() {
  return lock_errors;
}

}  // namespace waits
