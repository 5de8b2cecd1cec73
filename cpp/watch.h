// A descriptor watched by the event loop: what waitpidAsync() and SignalFlag wake up by.
#pragma once

#include <napi.h>

namespace watch {

// watch(fd, callback, ref): calls callback(status) on the loop whenever fd is readable, status
// being 0, or -errno when the loop can watch no longer. Returns { close(), ref(), unref() }, or
// -errno as a number. The descriptor stays the caller's: close() the watch first, then the
// descriptor.
Napi::Value Watch(const Napi::CallbackInfo& info);

}  // namespace watch
