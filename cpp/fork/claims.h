// Whose descriptors are: the main loop's, or another thread's as well or alone.
#pragma once

#include "fork/arena.h"
#include "fork/failure.h"
#include "fork/registrations.h"
#include "fork/table.h"
#include "fork/waits.h"

namespace livefork {

// Marks what has a handle in libuv's main loop.
void MarkHandles(const Table& table, void* loop);

// Marks what the epolls watch: the main loop's (and those that it watches itself, an addon's by a
// uv_poll_t), or others'. backend: the main loop's epoll, by its first number.
void MarkWatched(const Table& table, int backend, const List<Registration>& registrations);

// Marks what parked threads wait for.
void MarkAwaited(const Table& table, const List<Wait>& waits);

}  // namespace livefork
