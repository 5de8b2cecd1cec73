#include "watch.h"

#include <unistd.h>
#include <uv.h>

#include <memory>

namespace watch {

namespace {

// libuv keeps a pointer to the handle until the close callback, while JavaScript may drop its
// object earlier or keep it longer. `self` is libuv's reference; the methods hold the others.
struct Poll {
  explicit Poll(napi_env e) : env(e) {}

  uv_poll_t handle{};
  Napi::Env env;
  Napi::FunctionReference callback;
  std::unique_ptr<Napi::AsyncContext> context;
  napi_async_cleanup_hook_handle cleanup = nullptr;
  bool closing = false;
  // The descriptor, if it is closed with the watch, or -1.
  int owned = -1;
  std::shared_ptr<Poll> self;

  uv_handle_t* base() { return reinterpret_cast<uv_handle_t*>(&handle); }
};

void OnClosed(uv_handle_t* handle) {
  // Keeps the object until the end of this function.
  auto poll = std::move(static_cast<Poll*>(handle->data)->self);
  Napi::HandleScope scope(poll->env);
  poll->callback.Reset();
  poll->context.reset();
  // Last, because the environment may be freed as soon as the hook is removed.
  napi_remove_async_cleanup_hook(poll->cleanup);
}

void Close(Poll* poll) {
  if (poll->closing) return;
  poll->closing = true;
  // Removes the descriptor from epoll at once. The rest must wait for the loop: this may run inside
  // of the callback, whose function and async context are in use.
  uv_close(poll->base(), OnClosed);
  // libuv has removed it from epoll, and does not use it again.
  if (poll->owned >= 0) close(poll->owned);
}

// A Worker's loop must be empty when it ends, or Node aborts. An asynchronous hook makes the
// environment wait until the handle is closed.
void OnEnvironmentEnd(napi_async_cleanup_hook_handle, void* poll) {
  Close(static_cast<Poll*>(poll));
}

void OnReadable(uv_poll_t* handle, int status, int) {
  auto* poll = static_cast<Poll*>(handle->data);
  Napi::Env env = poll->env;
  Napi::HandleScope scope(env);
  napi_value argument = Napi::Number::New(env, status);
  // Not by node-addon-api, which aborts if the call cannot be made: Node runs the loop once more at
  // the environment's end, before our cleanup hook.
  napi_make_callback(env, *poll->context, env.Global(), poll->callback.Value(), 1, &argument,
                     nullptr);
  // No JavaScript frame is below on the stack, so the callback's exception is uncaught.
  if (env.IsExceptionPending()) {
    napi_fatal_exception(env, env.GetAndClearPendingException().Value());
  }
}

int Start(const std::shared_ptr<Poll>& poll, int fd) {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(poll->env, &loop) != napi_ok) return UV_EINVAL;
  if (int error = uv_poll_init(loop, &poll->handle, fd)) return error;
  poll->handle.data = poll.get();
  poll->self = poll;
  napi_add_async_cleanup_hook(poll->env, OnEnvironmentEnd, poll.get(), &poll->cleanup);
  const int error = uv_poll_start(&poll->handle, UV_READABLE, OnReadable);
  if (error != 0) Close(poll.get());
  return error;
}

Napi::Object Methods(Napi::Env env, const std::shared_ptr<Poll>& poll) {
  auto object = Napi::Object::New(env);
  auto method = [&](const char* name, void (*body)(Poll*)) {
    auto call = [poll, body](const Napi::CallbackInfo&) { body(poll.get()); };
    object.Set(name, Napi::Function::New(env, call, name));
  };
  method("close", Close);
  // libuv allows neither on a closing handle.
  method("ref", [](Poll* p) {
    if (!p->closing) uv_ref(p->base());
  });
  method("unref", [](Poll* p) {
    if (!p->closing) uv_unref(p->base());
  });
  return object;
}

}  // namespace

Napi::Value Watch(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const int fd = info[0].As<Napi::Number>();
  auto poll = std::make_shared<Poll>(env);
  if (int error = Start(poll, fd)) return Napi::Number::New(env, error);
  poll->callback = Napi::Persistent(info[1].As<Napi::Function>());
  auto object = Methods(env, poll);
  poll->context = std::make_unique<Napi::AsyncContext>(env, "daemonkit.watch", object);
  if (!info[2].As<Napi::Boolean>()) uv_unref(poll->base());
  if (info[3].ToBoolean()) poll->owned = fd;
  return object;
}

}  // namespace watch
