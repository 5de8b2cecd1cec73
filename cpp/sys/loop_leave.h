// A copy of a process leaves what the parent has on its event loop to the parent. To be called on
// the loop's own thread, and not from within its wait for events.
#pragma once

#include <uv.h>

namespace sys {

// Waits until no request is left that is for threads to do (of the file system, name look-ups,
// crypto, addons' work): the caller, who alone makes new ones, is here. False if the time is over.
bool AwaitRequests(uv_loop_t& loop, int milliseconds);

// Nothing that is on the loop now comes to anything here: sockets, pipes and other watched
// descriptors are at their end at once for whoever uses them (0, 1, 2 and terminals stay as they
// are, and are not read); file watchers and timers are stopped, but for the one of JavaScript's
// timers; what is done, or about to be closed, is told to nobody. No handle keeps the loop alive.
// 0, or -errno.
int LeaveLoop(uv_loop_t& loop);

// Has the loop's kernel object forget a descriptor. libuv does so only when it closes it, and the
// kernel only when nobody has the open file any more, as the parent has.
void Forget(const uv_loop_t& loop, int fd);

// The watcher of the loop's own descriptor for files, which only some systems have, or nullptr.
const uv__io_t* FileWatcher(const uv_loop_t& loop);

}  // namespace sys
