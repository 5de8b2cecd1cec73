// Fork handlers of other addons: include/daemonkit.h.
#pragma once

#include <napi.h>

namespace atfork {

// forkInterface(others): an External of struct daemonkit_interface. `others` is that of another
// copy of this addon in the process; then all copies share its handlers.
Napi::Value Interface(const Napi::CallbackInfo& info);

// Around livefork::Fork(), on the forking thread.
void Prepare();
void Parent();
void Child();

}  // namespace atfork
