// A timer that Node does not know: no async resource, and it keeps nothing alive.
#pragma once

#include <napi.h>

namespace after {

// after(milliseconds, callback): calls back once, unless the environment ends before. One at a
// time: a new one takes the place of one that is pending.
void After(const Napi::CallbackInfo& info);

}  // namespace after
