#include "sys/loop.h"

#include <algorithm>
#include <cstddef>

namespace sys {

namespace {

struct Search {
  int fd;
  std::string bytes;
};

void AddDescriptor(uv_handle_t* handle, void* fds) {
  uv_os_fd_t fd;
  // Any but these kinds, and one that is closing, is an error.
  if (uv_fileno(handle, &fd) == 0) static_cast<std::vector<int>*>(fds)->push_back(fd);
}

void AppendRequest(const uv_write_t& request, std::string& bytes) {
  // libuv moves the index and the first buffer's start on with every partial write.
  for (unsigned i = request.write_index; i < request.nbufs; ++i) {
    bytes.append(request.bufs[i].base, request.bufs[i].len);
  }
}

void AddQueue(uv_handle_t* handle, void* data) {
  auto* search = static_cast<Search*>(data);
  uv_os_fd_t fd;
  if (uv_fileno(handle, &fd) != 0 || fd != search->fd) return;
  if (handle->type != UV_TCP && handle->type != UV_NAMED_PIPE && handle->type != UV_TTY) return;
  // The fields are declared in uv.h, "private" by name, and part of libuv 1's binary interface.
  const auto& queue = reinterpret_cast<uv_stream_t*>(handle)->write_queue;
  for (const auto* node = queue.next; node != &queue; node = node->next) {
    const auto* address = reinterpret_cast<const char*>(node) - offsetof(uv_write_t, queue);
    AppendRequest(*reinterpret_cast<const uv_write_t*>(address), search->bytes);
  }
}

}  // namespace

std::vector<int> LoopDescriptors(const uv_loop_t& loop) {
  std::vector<int> fds = {loop.backend_fd,       loop.async_io_watcher.fd, loop.async_wfd,
                          loop.signal_pipefd[0], loop.signal_pipefd[1],    loop.emfile_fd};
#ifdef __linux__
  fds.push_back(loop.inotify_fd);
#endif
  fds.erase(std::remove_if(fds.begin(), fds.end(), [](int fd) { return fd < 0; }), fds.end());
  return fds;
}

std::vector<int> HandleDescriptors(uv_loop_t& loop) {
  std::vector<int> fds;
  uv_walk(&loop, AddDescriptor, &fds);
  return fds;
}

std::string QueuedWrites(uv_loop_t& loop, int fd) {
  Search search{fd, {}};
  uv_walk(&loop, AddQueue, &search);
  return search.bytes;
}

}  // namespace sys
