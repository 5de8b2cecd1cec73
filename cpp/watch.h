// A descriptor watched by the event loop: what waitpidAsync() and SignalFlag wake up by.
#pragma once

#include <napi.h>

namespace watch {

// watch(fd, callback, ref, owned): calls callback(status) on the loop whenever fd is readable,
// status being 0, or -errno when the loop can watch no longer. Returns { close(), ref(), unref() },
// or -errno as a number. An owned descriptor is closed with the watch, also when a Worker ends; any
// other stays the caller's: close() the watch first, then the descriptor.
Napi::Value Watch(const Napi::CallbackInfo& info);

}  // namespace watch
