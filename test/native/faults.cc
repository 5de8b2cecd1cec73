// Threads that fork() must cope with or refuse, for the tests only; not part of the package.
#include <node_api.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <ctime>

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

void Add(napi_env env, napi_value exports, const char* name, napi_callback function) {
  napi_value value;
  napi_create_function(env, name, strlen(name), function, nullptr, &value);
  napi_set_named_property(env, exports, name, value);
}

}  // namespace

NAPI_MODULE_INIT() {
  Add(env, exports, "start", Start);
  Add(env, exports, "stop", Stop);
  Add(env, exports, "turns", Turns);
  AddObjects(env, exports);
  AddRefuse(env, exports);
  AddEscape(env, exports);
  return exports;
}
