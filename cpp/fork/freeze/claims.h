// Whose descriptors are: the main loop's, or another thread's as well or alone.
#pragma once

#include "fork/base/arena.h"
#include "fork/base/failure.h"
#include "fork/freeze/registrations.h"
#include "fork/freeze/table.h"
#include "fork/freeze/waits.h"

namespace livefork {

// Marks what has a handle in libuv's main loop.
void MarkHandles(const Table& table, void* loop);

// Marks what the epolls watch: the main loop's (and those that it watches itself, an addon's by a
// uv_poll_t), or others'. The main loop's epoll itself is marked so.
void MarkWatched(const List<Epoll>& epolls);

// Marks what parked threads wait for.
void MarkAwaited(const Table& table, const List<Wait>& waits);

}  // namespace livefork
