#include "sys/loop_leave.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "sys/result.h"

namespace sys {

namespace {

// The fields below are declared in uv.h, "private" by name, and part of libuv 1's binary interface.
int Length(const uv__queue& head) {
  int length = 0;
  for (const uv__queue* node = head.next; node != &head; node = node->next) ++length;
  return length;
}

// Removes a node and links it to itself, because libuv may remove it again.
void Remove(uv__queue& node) {
  node.prev->next = node.next;
  node.next->prev = node.prev;
  node.next = &node;
  node.prev = &node;
}

int Empty(uv__queue& head) {
  int removed = 0;
  for (; head.next != &head; ++removed) Remove(*head.next);
  return removed;
}

// Counts the requests of a stream or socket itself.
void CountOwn(uv_handle_t* handle, void* data) {
  int& count = *static_cast<int*>(data);
  if (handle->type == UV_TCP || handle->type == UV_NAMED_PIPE || handle->type == UV_TTY) {
    const auto& stream = *reinterpret_cast<uv_stream_t*>(handle);
    count += Length(stream.write_queue) + Length(stream.write_completed_queue);
    count += (stream.connect_req != nullptr) + (stream.shutdown_req != nullptr);
  } else if (handle->type == UV_UDP) {
    const auto& socket = *reinterpret_cast<uv_udp_t*>(handle);
    count += Length(socket.write_queue) + Length(socket.write_completed_queue);
  }
}

int EmptyDone(uv_loop_t& loop) {
  uv_mutex_lock(&loop.wq_mutex);
  const int removed = Empty(loop.wq);
  uv_mutex_unlock(&loop.wq_mutex);
  return removed;
}

// As uv__io_stop() of libuv's src/unix/core.c, which no public function calls for a write.
void Stop(uv_loop_t& loop, uv__io_t& watcher) {
  Forget(loop, watcher.fd);
  Remove(watcher.pending_queue);
  Remove(watcher.watcher_queue);
  watcher.pevents = 0;
  watcher.events = 0;
  loop.watchers[watcher.fd] = nullptr;
  --loop.nfds;
}

void StopWatchers(uv_loop_t& loop) {
  const uv__io_t* own[] = {&loop.async_io_watcher, &loop.signal_io_watcher, FileWatcher(loop)};
  for (unsigned fd = 0; fd < loop.nwatchers; ++fd) {
    uv__io_t* watcher = loop.watchers[fd];
    if (watcher == nullptr) continue;
    if (watcher == own[0] || watcher == own[1] || watcher == own[2]) continue;
    Stop(loop, *watcher);
  }
}

// A descriptor whose reads return an end of file and whose writes fail with EPIPE; or -errno.
int DeadEnd() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) return -errno;
  close(ends[1]);
  return ends[0];
}

void Ignore(uv_async_t*) {}

// The environment's timer, made before any other. JavaScript has its own list of timers.
void FindTimer(uv_handle_t* handle, void* data) {
  auto*& found = *static_cast<uv_handle_t**>(data);
  if (found == nullptr && handle->type == UV_TIMER && uv_is_closing(handle) == 0) found = handle;
}

uv_handle_t* JavaScriptsTimer(uv_loop_t& loop) {
  uv_handle_t* found = nullptr;
  uv_walk(&loop, FindTimer, &found);
  return found;
}

class Leaving {
 public:
  Leaving(int dead, const uv_handle_t* kept_timer) : dead_(dead), kept_timer_(kept_timer) {}

  void Leave(uv_handle_t* handle) {
    uv_os_fd_t fd = -1;
    if (handle->type != UV_TTY && uv_fileno(handle, &fd) == 0 && fd > 2) Sever(fd);
    if (handle->type == UV_TIMER) {
      if (handle != kept_timer_) uv_timer_stop(reinterpret_cast<uv_timer_t*>(handle));
      return;
    }
    if (handle->type == UV_ASYNC) {
      // The first two belong to V8's platform and the environment; the others to messages and calls
      // of addons' threads.
      if (asyncs_++ <= 1) return;
      reinterpret_cast<uv_async_t*>(handle)->async_cb = Ignore;
    }
    if (handle->type == UV_FS_EVENT) uv_fs_event_stop(reinterpret_cast<uv_fs_event_t*>(handle));
    if (handle->type == UV_FS_POLL) uv_fs_poll_stop(reinterpret_cast<uv_fs_poll_t*>(handle));
    const bool turns = handle->type == UV_IDLE || handle->type == UV_CHECK;
    if (!turns && handle->type != UV_PREPARE) uv_unref(handle);
  }

  int failure() const { return failure_; }

 private:
  void Sever(int fd) {
    if (dup3(dead_, fd, O_CLOEXEC) < 0) failure_ = -errno;
  }

  int dead_;
  const uv_handle_t* kept_timer_;
  int asyncs_ = 0;
  int failure_ = 0;
};

void LeaveHandle(uv_handle_t* handle, void* leaving) {
  if (uv_is_closing(handle) == 0) static_cast<Leaving*>(leaving)->Leave(handle);
}

bool KeepsAlive(const uv_handle_t* handle) {
  return handle != nullptr && uv_is_active(handle) != 0 && uv_has_ref(handle) != 0;
}

int UndoneRequests(uv_loop_t& loop) {
  int others = 0;
  uv_walk(&loop, CountOwn, &others);
  uv_mutex_lock(&loop.wq_mutex);
  others += Length(loop.wq);
  uv_mutex_unlock(&loop.wq_mutex);
  return static_cast<int>(loop.active_reqs.count) - others;
}

}  // namespace

bool AwaitRequests(uv_loop_t& loop, int milliseconds) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::milliseconds(milliseconds);
  while (UndoneRequests(loop) > 0) {
    if (Clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(50));
  }
  return true;
}

int LeaveLoop(uv_loop_t& loop) {
  const int dead = DeadEnd();
  if (dead < 0) return dead;
  StopWatchers(loop);
  Empty(loop.pending_queue);
  const uv_handle_t* timer = JavaScriptsTimer(loop);
  Leaving leaving(dead, timer);
  uv_walk(&loop, LeaveHandle, &leaving);
  close(dead);
  loop.active_reqs.count -= static_cast<unsigned>(EmptyDone(loop));
  loop.closing_handles = nullptr;
  return leaving.failure() != 0 ? leaving.failure() : int{KeepsAlive(timer)};
}

bool IsBusy(uv_loop_t& loop) {
  uv_handle_t* timer = JavaScriptsTimer(loop);
  if (!KeepsAlive(timer)) return uv_loop_alive(&loop) != 0;
  uv_unref(timer);
  const bool busy = uv_loop_alive(&loop) != 0;
  uv_ref(timer);
  return busy;
}

}  // namespace sys
