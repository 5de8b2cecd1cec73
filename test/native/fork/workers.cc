#include "workers.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "registers.h"

namespace {

// Two take turns by one mutex and one condition variable.
struct Turns {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
  int next = 0;
};

pthread_mutex_t MutexOf(int type) {
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_settype(&attributes, type);
  pthread_mutex_t mutex;
  pthread_mutex_init(&mutex, &attributes);
  return mutex;
}

}  // namespace

struct Workers {
  std::atomic<bool> stop{false}, stop_busy{false}, stop_poll{false};
  std::atomic<const char*> fault{nullptr};
  std::atomic<uint64_t> rounds[kMaxWorkers]{};
  pthread_t threads[kMaxWorkers];
  size_t started = 0;
  bool steady = false;

  Turns turns;
  int epoll, event, pipe_ends[2][2];
  pthread_mutex_t recursive = MutexOf(PTHREAD_MUTEX_RECURSIVE);
  pthread_mutex_t checked = MutexOf(PTHREAD_MUTEX_ERRORCHECK);
  pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
  FILE* stream = nullptr;
  int spin_stop = 0;
  uint64_t spin_count = 0;

  void Expect(bool condition, const char* what) {
    const char* none = nullptr;
    if (!condition) fault.compare_exchange_strong(none, what);
  }
};

namespace {

// One processor must do for all of them, in two processes; and once the busy ones have ended there
// must be a moment at which everyone waits.
void Rest(const Workers& w, uint64_t rounds) {
  if (w.stop_busy) usleep(20000);
  if (rounds % 8 == 0) usleep(200);
}

void TakeTurns(Workers& w, size_t index, int me) {
  while (!w.stop) {
    pthread_mutex_lock(&w.turns.mutex);
    while (w.turns.next != me && !w.stop) pthread_cond_wait(&w.turns.changed, &w.turns.mutex);
    w.turns.next = 1 - me;
    pthread_cond_signal(&w.turns.changed);
    pthread_mutex_unlock(&w.turns.mutex);
    Rest(w, ++w.rounds[index]);
  }
}

void Ping(Workers& w, size_t index) {
  TakeTurns(w, index, 0);
}
void Pong(Workers& w, size_t index) {
  TakeTurns(w, index, 1);
}

// One poll loop for an eventfd and a pipe, which the next two write to.
void Poll(Workers& w, size_t index) {
  while (!w.stop_poll) {
    epoll_event event{};
    const int n = epoll_wait(w.epoll, &event, 1, 5000);
    if (n < 0 && errno == EINTR) continue;
    w.Expect(n == 1, "epoll_wait() did not wake");
    uint64_t value = 0;
    w.Expect(read(event.data.fd, &value, sizeof value) == sizeof value,
             "read() after epoll_wait()");
    if (event.data.fd == w.event) {
      w.Expect(value == 1, "the eventfd's count");
      char token = 'x';
      w.Expect(write(w.pipe_ends[1][1], &token, 1) == 1, "write() of the answer");
    }
    ++w.rounds[index];
  }
}

// Each write is answered through the second pipe before the next: a wake-up that another process
// took, or that is counted twice, shows.
void WriteEvents(Workers& w, size_t index) {
  while (!w.stop) {
    uint64_t one = 1;
    w.Expect(write(w.event, &one, sizeof one) == sizeof one, "write() to the eventfd");
    char token = 0;
    ssize_t n;
    while ((n = read(w.pipe_ends[1][0], &token, 1)) < 0 && errno == EINTR) {
    }
    w.Expect(n == 1 && token == 'x', "the answer to an event");
    Rest(w, ++w.rounds[index]);
  }
}

void WritePipe(Workers& w, size_t index) {
  for (uint64_t value = 0; !w.stop; ++value) {
    w.Expect(write(w.pipe_ends[0][1], &value, sizeof value) == sizeof value, "write() to the pipe");
    Rest(w, ++w.rounds[index] * 8);
  }
}

// Locks that store their owner's thread id.
void Own(Workers& w, size_t index) {
  while (!w.stop && !w.stop_busy) {
    int errors = pthread_mutex_lock(&w.recursive) | pthread_mutex_lock(&w.recursive);
    errors |= pthread_mutex_lock(&w.checked);
    errors |= pthread_rwlock_wrlock(&w.rwlock);
    errors |= pthread_rwlock_unlock(&w.rwlock);
    errors |= pthread_mutex_unlock(&w.checked);
    errors |= pthread_mutex_unlock(&w.recursive) | pthread_mutex_unlock(&w.recursive);
    w.Expect(errors == 0, "a lock that knows its owner");
    Rest(w, ++w.rounds[index]);
  }
}

void Allocate(Workers& w, size_t index) {
  while (!w.stop && !w.stop_busy) {
    void* blocks[8];
    for (size_t i = 0; i < 8; ++i) blocks[i] = malloc(16 << i);
    for (void* block : blocks) free(block);
    flockfile(w.stream);
    w.Expect(fprintf(w.stream, "%d\n", 42) == 3, "fprintf()");
    funlockfile(w.stream);
    Rest(w, ++w.rounds[index]);
  }
}

void* Nothing(void* arg) {
  return arg;
}

// libc's list of threads, and the ends of threads.
void Create(Workers& w, size_t index) {
  while (!w.stop && !w.stop_busy) {
    Rest(w, ++w.rounds[index]);
    if (w.steady) continue;
    pthread_t thread;
    void* result = nullptr;
    if (pthread_create(&thread, nullptr, Nothing, &w) != 0) continue;
    w.Expect(pthread_join(thread, &result) == 0 && result == &w, "pthread_join()");
  }
}

void Spin(Workers& w, size_t index) {
  Registers in, out;
  in.Fill(index);
  memset(static_cast<void*>(&out), 0, sizeof out);
  spin_with_registers(&in, &out, &w.spin_stop, &w.spin_count);
  w.Expect(memcmp(in.general, out.general, sizeof in.general) == 0, "general registers");
  w.Expect(memcmp(in.vectors, out.vectors, sizeof in.vectors) == 0, "vector registers");
  w.Expect(out.control != 0, "the rounding mode");
}

struct Work {
  const char* name;
  void (*run)(Workers&, size_t);
  bool busy;
};
constexpr Work kWorks[] = {
    {"ping", Ping, false},          {"pong", Pong, false},        {"poll", Poll, false},
    {"events", WriteEvents, false}, {"pipe", WritePipe, false},   {"owner", Own, true},
    {"second owner", Own, true},    {"allocate", Allocate, true}, {"create", Create, true},
    {"spin", Spin, true},
};
constexpr size_t kPoll = 2;
constexpr size_t kCount = sizeof kWorks / sizeof kWorks[0];

Workers workers;
size_t indices[kCount];

void* Run(void* index) {
  const size_t i = *static_cast<size_t*>(index);
  kWorks[i].run(workers, i);
  return nullptr;
}

void Watch(int epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

}  // namespace

Workers& StartWorkers(bool steady) {
  Workers* w = &workers;
  w->steady = steady;
  w->epoll = epoll_create1(EPOLL_CLOEXEC);
  w->event = eventfd(0, EFD_CLOEXEC);
  w->stream = fopen("/dev/null", "we");
  for (auto& ends : w->pipe_ends) {
    if (pipe2(ends, O_CLOEXEC) != 0) abort();
  }
  Watch(w->epoll, w->event);
  Watch(w->epoll, w->pipe_ends[0][0]);
  for (; w->started < kCount; ++w->started) {
    indices[w->started] = w->started;
    if (pthread_create(&w->threads[w->started], nullptr, Run, &indices[w->started]) != 0) abort();
  }
  return *w;
}

size_t ReadProgress(const Workers& workers, Progress& progress) {
  for (size_t i = 0; i < kCount; ++i) progress.rounds[i] = workers.rounds[i];
  progress.rounds[kCount - 1] = reinterpret_cast<const volatile uint64_t&>(workers.spin_count);
  return kCount;
}

const char* WorkerName(size_t index) {
  return kWorks[index].name;
}

const char* Fault(const Workers& workers) {
  return workers.fault;
}

void StopBusyWorkers(Workers& w) {
  w.stop_busy = true;
  reinterpret_cast<volatile int&>(w.spin_stop) = 1;
  for (size_t i = 0; i < kCount; ++i) {
    if (kWorks[i].busy) w.Expect(pthread_join(w.threads[i], nullptr) == 0, "pthread_join(busy)");
  }
}

void StopWorkers(Workers& w) {
  w.stop = true;
  pthread_mutex_lock(&w.turns.mutex);
  pthread_cond_broadcast(&w.turns.changed);
  pthread_mutex_unlock(&w.turns.mutex);
  auto join = [&w](size_t i) { w.Expect(pthread_join(w.threads[i], nullptr) == 0, "join"); };
  for (size_t i = 0; i < kCount; ++i) {
    if (!kWorks[i].busy && i != kPoll) join(i);
  }
  // No answer is needed any more; one more event makes the thread notice that.
  w.stop_poll = true;
  const uint64_t last = 0;
  w.Expect(write(w.pipe_ends[0][1], &last, sizeof last) == sizeof last, "the last write()");
  join(kPoll);
}
