// Requests that wait in a ring.
#pragma once

#include <linux/io_uring.h>
#include <sys/epoll.h>

#include "fork/objects/ring.h"

namespace livefork {

// Calls f(epoll, fd) for every queued request that adds fd to an epoll.
template <typename F>
void EachQueued(const Ring& ring, F f) {
  const auto* entries = static_cast<const io_uring_sqe*>(ring.copy);
  for (uint32_t i = 0; i < ring.pending; ++i) {
    const io_uring_sqe& entry = entries[(ring.head + i) & (ring.sq_size - 1)];
    const bool adds = entry.opcode == IORING_OP_EPOLL_CTL && entry.len == EPOLL_CTL_ADD;
    if (adds) f(entry.fd, static_cast<int>(entry.off));
  }
}

// In the parent: the epoll of the ring's loop, from its last request; -1 if there was none.
inline int EpollOf(const Ring& ring) {
  const auto* entries = reinterpret_cast<const io_uring_sqe*>(ring.entries.start);
  const io_uring_sqe& last = entries[(ring.head + ring.pending - 1) & (ring.sq_size - 1)];
  return last.opcode == IORING_OP_EPOLL_CTL ? last.fd : -1;
}

}  // namespace livefork
