// The descriptors of libuv's main loop. The only file of the snapshot that depends on libuv.
#pragma once

#include <cstdint>

namespace livefork {

// The loop's epoll, or -1 if there is no loop.
int BackendOf(void* loop);

// Whether the loop waits for a request of the thread pool.
bool HasRequests(void* loop);

// Calls visit(context, fd, mark) for the descriptor of every handle of the loop; mark is
// Entry::kMainStream or Entry::kMainPoll. libuv only walks its own list here: no lock, no
// allocation, no system call.
void EachHandle(void* loop, void (*visit)(void* context, int fd, uint16_t mark), void* context);

}  // namespace livefork
