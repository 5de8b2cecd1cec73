// The tests' addon: every function by its name. And threads that fork() must cope with or refuse.
#include <node_api.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <ctime>

#include "atfork.h"
#include "escape.h"
#include "objects.h"
#include "refuse.h"

namespace {

enum class Kind {
  kDeaf,  // Sleeps with every signal blocked, those of libc too: it cannot be parked.
  kBusy,  // Takes signals, but never makes a system call: it is never at a safe point.
  kNap,   // An ordinary foreign thread, mostly asleep: it must work on in the child.
};

std::atomic<bool> running{false};
std::atomic<int64_t> turns{0};
std::atomic<int> tid{0};
pthread_t thread;

// libc's own functions leave signals 32 and 33 out of every mask.
void BlockAllSignals() {
  uint64_t all = ~uint64_t{0};
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, nullptr, sizeof all);
}

void Nap() {
  timespec millisecond{0, 1000000};
  nanosleep(&millisecond, nullptr);
}

void* Run(void* argument) {
  Kind kind = static_cast<Kind>(reinterpret_cast<intptr_t>(argument));
  if (kind == Kind::kDeaf) BlockAllSignals();
  tid = static_cast<int>(syscall(SYS_gettid));
  while (running) {
    if (kind != Kind::kBusy) Nap();
    turns++;
  }
  return nullptr;
}

napi_value Number(napi_env env, int64_t value) {
  napi_value result;
  napi_create_int64(env, value, &result);
  return result;
}

// start(kind: number): the new thread's id, or -errno.
napi_value Start(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  int32_t kind = 0;
  napi_get_value_int32(env, argument, &kind);
  running = true;
  tid = 0;
  int error =
      pthread_create(&thread, nullptr, Run, reinterpret_cast<void*>(static_cast<intptr_t>(kind)));
  if (error != 0) return Number(env, -error);
  while (tid == 0) Nap();
  return Number(env, tid);
}

// stop(): 0 once the thread has ended.
napi_value Stop(napi_env env, napi_callback_info) {
  running = false;
  return Number(env, -pthread_join(thread, nullptr));
}

napi_value Turns(napi_env env, napi_callback_info) {
  return Number(env, turns);
}

template <int64_t (*F)(const int64_t*)>
napi_value Call(napi_env env, napi_callback_info info) {
  size_t count = 3;
  napi_value arguments[3];
  int64_t values[3] = {};
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  for (size_t i = 0; i < count && i < 3; ++i) napi_get_value_int64(env, arguments[i], &values[i]);
  return Number(env, F(values));
}

const struct {
  const char* name;
  napi_callback function;
} kFunctions[] = {
    {"start", Start},
    {"stop", Stop},
    {"turns", Turns},
    {"refuse", Refuse},
    {"escape", Escape},
    {"attach", Attach},
    {"told", Told},
    {"libcHandlers", LibcHandlers},
    {"eventfd", Call<objects::Eventfd>},
    {"timerfd", Call<objects::Timerfd>},
    {"itimer", Call<objects::Itimer>},
    {"signalfd", Call<objects::Signalfd>},
    {"pipe", Call<objects::Pipe>},
    {"dupCloexec", Call<objects::DupCloexec>},
    {"epoll", Call<objects::Epoll>},
    {"epollAdd", Call<objects::EpollAdd>},
    {"epollWait", Call<objects::EpollWait>},
    {"ringOpen", Call<objects::RingOpen>},
    {"ringPush", Call<objects::RingPush>},
    {"ringEnter", Call<objects::RingEnter>},
    {"ringTake", Call<objects::RingTake>},
    {"ringWord", Call<objects::RingWord>},
    {"ringTimeout", Call<objects::RingTimeout>},
    {"epollAddFor", Call<objects::EpollAddFor>},
    {"socketpair", Call<objects::Socketpair>},
    {"sendDescriptor", Call<objects::SendDescriptor>},
    {"shutdown", Call<objects::Shutdown>},
    {"pipeSize", Call<objects::PipeSize>},
    {"flags", Call<objects::Flags>},
    {"timerfdAt", Call<objects::TimerfdAt>},
    {"pollNow", Call<objects::PollNow>},
    {"userfault", Call<objects::Userfault>},
    {"queueWait", Call<objects::QueueWait>},
    {"queueEnd", Call<objects::QueueEnd>},
};

}  // namespace

NAPI_MODULE_INIT() {
  for (const auto& [name, function] : kFunctions) {
    napi_value value;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &value);
    napi_set_named_property(env, exports, name, value);
  }
  return exports;
}
