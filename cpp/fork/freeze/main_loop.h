// What libuv's main loop has open. The only file of the snapshot that knows libuv.
#pragma once

#include <cstdint>

namespace livefork {

// The loop's epoll, or -1 if there is no loop.
int BackendOf(void* loop);

// Whether the loop waits for the end of a request: something that a thread of the pool does.
bool HasRequests(void* loop);

// Calls visit(context, fd, mark) for the descriptor of every handle of the loop; mark is
// Entry::kMainStream or Entry::kMainPoll. libuv only goes through a list of its own here: no lock,
// no allocation, no system call.
void EachHandle(void* loop, void (*visit)(void* context, int fd, uint16_t mark), void* context);

}  // namespace livefork
