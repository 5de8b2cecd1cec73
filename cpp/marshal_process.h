// Conversions for cpp/sys/process.h: a call that returns a record.
#pragma once

#include <napi.h>

namespace marshal {

// waitpid(pid, noHang, untraced, continued): the record, null if nothing has changed, or -errno.
Napi::Value Waitpid(const Napi::CallbackInfo& info);

}  // namespace marshal
