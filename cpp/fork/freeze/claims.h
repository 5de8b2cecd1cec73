// The users of each descriptor: the main loop, other threads, or both.
#pragma once

#include "fork/base/arena.h"
#include "fork/base/failure.h"
#include "fork/freeze/registrations.h"
#include "fork/freeze/table.h"
#include "fork/freeze/waits.h"

namespace livefork {

// Marks descriptors that the epolls watch: those of the main loop (and epolls that it watches, for
// example an addon's by a uv_poll_t), and those of others. The main loop's epoll is marked too.
void MarkWatched(const List<Epoll>& epolls);

// Marks descriptors that parked threads wait for.
void MarkAwaited(const Table& table, const List<Wait>& waits);

}  // namespace livefork
