#include "after.h"

#include <uv.h>

namespace after {

namespace {

struct Timer {
  uv_timer_t handle{};
  napi_env env = nullptr;
  Napi::FunctionReference callback;
  napi_async_cleanup_hook_handle cleanup = nullptr;
};

void OnClosed(uv_handle_t* handle) {
  auto* timer = static_cast<Timer*>(handle->data);
  // Last: the environment may be freed as soon as nobody waits for the hook.
  napi_async_cleanup_hook_handle cleanup = timer->cleanup;
  delete timer;
  napi_remove_async_cleanup_hook(cleanup);
}

// Node's loop must be empty when it ends.
void OnEnvironmentEnd(napi_async_cleanup_hook_handle, void* data) {
  auto* timer = static_cast<Timer*>(data);
  timer->callback.Reset();
  uv_close(reinterpret_cast<uv_handle_t*>(&timer->handle), OnClosed);
}

void OnTime(uv_timer_t* handle) {
  auto* timer = static_cast<Timer*>(handle->data);
  Napi::Env env = timer->env;
  Napi::HandleScope scope(env);
  const Napi::Function callback = timer->callback.Value();
  timer->callback.Reset();
  // A plain call: the callback is ours, and a callback scope would be seen by async_hooks.
  napi_call_function(env, env.Undefined(), callback, 0, nullptr, nullptr);
  if (env.IsExceptionPending()) {
    napi_fatal_exception(env, env.GetAndClearPendingException().Value());
  }
}

// Only the main thread's environment has one: fork() is not for Workers.
Timer* Make(napi_env env) {
  uv_loop_s* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  auto* timer = new Timer;
  timer->env = env;
  timer->handle.data = timer;
  uv_timer_init(loop, &timer->handle);
  uv_unref(reinterpret_cast<uv_handle_t*>(&timer->handle));
  napi_add_async_cleanup_hook(env, OnEnvironmentEnd, timer, &timer->cleanup);
  return timer;
}

}  // namespace

void After(const Napi::CallbackInfo& info) {
  static Timer* timer = Make(info.Env());
  timer->callback = Napi::Persistent(info[1].As<Napi::Function>());
  const int64_t milliseconds = info[0].As<Napi::Number>();
  uv_timer_start(&timer->handle, OnTime, static_cast<uint64_t>(milliseconds), 0);
}

}  // namespace after
