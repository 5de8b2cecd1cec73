// A fork leaves the parent's work on the event loop to the parent. Call these on the loop's own
// thread, and not from within its wait for events.
#pragma once

#include <uv.h>

namespace sys {

// Waits until no request for the thread pool is left (file system, name look-ups, crypto, addons'
// work). Only the caller makes new ones, and it waits here. False on timeout.
bool AwaitRequests(uv_loop_t& loop, int milliseconds);

// Ends everything that is on the loop now: sockets, pipes and other watched descriptors are at
// their end at once (0, 1, 2 and terminals stay unchanged, and are not read). File watchers and
// timers are stopped, except the one for JavaScript's timers. Completed requests and closing
// handles are not reported. No handle keeps the loop alive, except that timer. 1 if it does, 0, or
// -errno.
int LeaveLoop(uv_loop_t& loop);

// Whether something keeps the loop alive besides JavaScript's timers, which are one handle.
bool IsBusy(uv_loop_t& loop);

// Removes a descriptor from the loop's kernel object. libuv does this only when it closes the
// descriptor, and the kernel only when no process has the open file any more; but the parent has
// it.
void Forget(const uv_loop_t& loop, int fd);

// The loop's watcher for its file-watching descriptor, which only some systems have, or nullptr.
const uv__io_t* FileWatcher(const uv_loop_t& loop);

}  // namespace sys
