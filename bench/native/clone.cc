// The minimum cost of a copy of this process: one raw clone(2) whose child only reads the clock.
// For the benchmark only; not part of the package.
#include <node_api.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <cstdint>
#include <ctime>

#include "fork/base/procfs.h"
#include "fork/freeze/mappings.h"

namespace {

using livefork::Sys;

livefork::Arena arena;

int64_t Now() {
  timespec now{};
  Sys(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000000000 + now.tv_nsec;
}

struct Cost {
  int64_t first, pause;
};

// V8's heap is MADV_DONTFORK: with `all` the copy has it, like the child of a live fork. The other
// threads keep running, so the copy of their data may be inconsistent; this child reads none of it.
Cost CloneOnce(bool all, int64_t rest, int64_t* clock) {
  livefork::Mappings mappings;
  livefork::Fd maps(livefork::Open("/proc/self/maps"));
  if (all && livefork::ShareMappings(maps.get(), arena, mappings)) return {-1, -1};
  // A fork of this process comes after a rest, too.
  const timespec pause{rest / 1000, rest % 1000 * 1000000};
  if (rest > 0) Sys(SYS_nanosleep, &pause, nullptr);
  const int64_t start = Now();
  const long pid = livefork::CloneProcess(SIGCHLD);
  if (pid == 0) {
    *clock = Now();
    Sys(SYS_exit_group, 0);
  }
  const int64_t back = Now();
  livefork::RestoreMappings(mappings);
  if (pid < 0) return {-1, -1};
  Sys(SYS_wait4, pid, nullptr, 0, nullptr);
  return {*clock - start, back - start};
}

// clone(all: boolean, rest: milliseconds before it): [nanoseconds to the child's first instruction,
// to the parent's return].
napi_value Clone(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2];
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  bool all = false;
  napi_get_value_bool(env, arguments[0], &all);
  int64_t rest = 0;
  napi_get_value_int64(env, arguments[1], &rest);
  void* page =
      mmap(nullptr, sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  Cost cost{-1, -1};
  if (page != MAP_FAILED && arena.Reserve())
    cost = CloneOnce(all, rest, static_cast<int64_t*>(page));
  if (page != MAP_FAILED) munmap(page, sizeof(int64_t));
  arena.Clear();
  napi_value result;
  napi_value value;
  napi_create_array_with_length(env, 2, &result);
  napi_create_int64(env, cost.first, &value);
  napi_set_element(env, result, 0, value);
  napi_create_int64(env, cost.pause, &value);
  napi_set_element(env, result, 1, value);
  return result;
}

napi_value Init(napi_env env, napi_value exports) {
  napi_value function;
  napi_create_function(env, "clone", NAPI_AUTO_LENGTH, Clone, nullptr, &function);
  napi_set_named_property(env, exports, "clone", function);
  return exports;
}

}  // namespace

NAPI_MODULE(NODE_GYP_MODULE_NAME, Init)
