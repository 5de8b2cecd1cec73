// A descriptor watched by the event loop, for waitpidAsync() and SignalFlag.
#pragma once

#include <napi.h>

namespace watch {

// watch(fd, callback, ref, owned): calls callback(status) on the loop whenever fd is readable, with
// status 0, or with -errno when the loop can no longer watch it. Returns { close(), ref(), unref()
// }, or -errno as a number. An owned descriptor is closed with the watch, also when a Worker ends.
// The caller keeps any other: close() the watch first, then the descriptor.
Napi::Value Watch(const Napi::CallbackInfo& info);

}  // namespace watch
