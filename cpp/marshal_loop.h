// Conversions for cpp/sys/loop.h; the loop is that of the environment.
#pragma once

#include <napi.h>

namespace marshal {

Napi::Value LoopDescriptors(const Napi::CallbackInfo& info);
Napi::Value HandleDescriptors(const Napi::CallbackInfo& info);
// queuedWrites(fd): a Buffer.
Napi::Value QueuedWrites(const Napi::CallbackInfo& info);
void CompleteWrites(const Napi::CallbackInfo& info);
Napi::Value ProcessHandles(const Napi::CallbackInfo& info);
// awaitRequests(milliseconds): whether all are done.
Napi::Value AwaitRequests(const Napi::CallbackInfo& info);
// leaveLoop(): 1 if JavaScript's timers keep the loop alive, 0, or -errno.
Napi::Value LeaveLoop(const Napi::CallbackInfo& info);
// isBusy(): whether something else keeps the loop alive.
Napi::Value IsBusy(const Napi::CallbackInfo& info);
void DisownProcesses(const Napi::CallbackInfo& info);
void RememberStandard(const Napi::CallbackInfo& info);

}  // namespace marshal
