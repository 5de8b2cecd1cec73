#include "marshal_loop.h"

#include "marshal.h"
#include "sys/loop.h"
#include "sys/loop_leave.h"
#include "sys/stdio.h"

namespace marshal {

namespace {

uv_loop_t& Loop(Napi::Env env) {
  uv_loop_s* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  return *loop;
}

}  // namespace

Napi::Value LoopDescriptors(const Napi::CallbackInfo& info) {
  return ToJs(info.Env(), sys::LoopDescriptors(Loop(info.Env())));
}

Napi::Value HandleDescriptors(const Napi::CallbackInfo& info) {
  return ToJs(info.Env(), sys::HandleDescriptors(Loop(info.Env())));
}

Napi::Value QueuedWrites(const Napi::CallbackInfo& info) {
  const std::string bytes = sys::QueuedWrites(Loop(info.Env()), FromJs<int>::Get(info[0]));
  return Napi::Buffer<char>::Copy(info.Env(), bytes.data(), bytes.size());
}

void CompleteWrites(const Napi::CallbackInfo& info) {
  sys::CompleteWrites(Loop(info.Env()), FromJs<int>::Get(info[0]));
}

Napi::Value ProcessHandles(const Napi::CallbackInfo& info) {
  return ToJs(info.Env(), sys::ProcessHandles(Loop(info.Env())));
}

Napi::Value AwaitRequests(const Napi::CallbackInfo& info) {
  return ToJs(info.Env(), sys::AwaitRequests(Loop(info.Env()), FromJs<int>::Get(info[0])));
}

Napi::Value LeaveLoop(const Napi::CallbackInfo& info) {
  return ToJs(info.Env(), sys::LeaveLoop(Loop(info.Env())));
}

Napi::Value IsBusy(const Napi::CallbackInfo& info) {
  return ToJs(info.Env(), sys::IsBusy(Loop(info.Env())));
}

void DisownProcesses(const Napi::CallbackInfo& info) {
  sys::DisownProcesses(Loop(info.Env()));
}

// Not when the addon is loaded: Bun supports the addon's other calls, but ends the process at
// uv_walk().
void RememberStandard(const Napi::CallbackInfo& info) {
  sys::RememberStandard(sys::HandleDescriptors(Loop(info.Env())));
}

}  // namespace marshal
