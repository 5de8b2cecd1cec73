// What other addons do around a fork: include/daemonkit.h.
#pragma once

#include <napi.h>

namespace atfork {

// forkInterface(others): an External of struct daemonkit_interface. Others is that of another copy
// of this addon in the process, whose handlers are then everybody's.
Napi::Value Interface(const Napi::CallbackInfo& info);

// Around livefork::Fork(), on the forking thread.
void Prepare();
void Parent();
void Child();

}  // namespace atfork
