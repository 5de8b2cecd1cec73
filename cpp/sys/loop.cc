#include "sys/loop.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>

namespace sys {

namespace {

void AddDescriptor(uv_handle_t* handle, void* fds) {
  uv_os_fd_t fd;
  // Other types, and a closing handle, are an error.
  if (uv_fileno(handle, &fd) == 0) static_cast<std::vector<int>*>(fds)->push_back(fd);
}

struct Search {
  int fd;
  uv_stream_t* found;
};

void CompareDescriptor(uv_handle_t* handle, void* data) {
  auto* search = static_cast<Search*>(data);
  uv_os_fd_t fd;
  if (uv_fileno(handle, &fd) != 0 || fd != search->fd) return;
  if (handle->type != UV_TCP && handle->type != UV_NAMED_PIPE && handle->type != UV_TTY) return;
  search->found = reinterpret_cast<uv_stream_t*>(handle);
}

uv_stream_t* StreamOf(uv_loop_t& loop, int fd) {
  Search search{fd, nullptr};
  uv_walk(&loop, CompareDescriptor, &search);
  return search.found;
}

// No process has this pid. Waiting for it fails with ECHILD, which libuv ignores, and signalling it
// with ESRCH, for which ChildProcess#kill() returns false.
constexpr int kNobody = 0x7fffffff;

bool IsProcess(const uv_handle_t* handle) {
  return handle->type == UV_PROCESS && uv_is_closing(handle) == 0;
}

void CountProcess(uv_handle_t* handle, void* count) {
  if (IsProcess(handle)) ++*static_cast<int*>(count);
}

void Disown(uv_handle_t* handle, void*) {
  if (!IsProcess(handle)) return;
  reinterpret_cast<uv_process_t*>(handle)->pid = kNobody;
  uv_unref(handle);
}

// The fields below are declared in uv.h, "private" by name, and part of libuv 1's binary interface.
uv_write_t& RequestOf(uv__queue* node) {
  return *reinterpret_cast<uv_write_t*>(reinterpret_cast<char*>(node) -
                                        offsetof(uv_write_t, queue));
}

// libuv advances the index and the first buffer's start with every partial write.
template <typename F>
void EachBuffer(const uv_write_t& request, F f) {
  for (unsigned i = request.write_index; i < request.nbufs; ++i) f(request.bufs[i]);
}

// As uv__write_callbacks() of libuv's src/unix/stream.c, which no public function calls.
void Complete(uv_stream_t& stream, uv_write_t& request) {
  request.queue.prev->next = request.queue.next;
  request.queue.next->prev = request.queue.prev;
  --stream.loop->active_reqs.count;
  EachBuffer(request, [&](const uv_buf_t& buffer) { stream.write_queue_size -= buffer.len; });
  if (request.bufs != request.bufsml) free(request.bufs);
  request.bufs = nullptr;
  if (request.cb != nullptr) request.cb(&request, 0);
}

}  // namespace

std::vector<int> LoopDescriptors(const uv_loop_t& loop) {
  std::vector<int> fds = {loop.backend_fd,          loop.async_io_watcher.fd, loop.async_wfd,
                          loop.signal_pipefd[0],    loop.signal_pipefd[1],    loop.emfile_fd,
                          FileWatchDescriptor(loop)};
  fds.erase(std::remove_if(fds.begin(), fds.end(), [](int fd) { return fd < 0; }), fds.end());
  return fds;
}

std::vector<int> HandleDescriptors(uv_loop_t& loop) {
  std::vector<int> fds;
  uv_walk(&loop, AddDescriptor, &fds);
  return fds;
}

int ProcessHandles(uv_loop_t& loop) {
  int count = 0;
  uv_walk(&loop, CountProcess, &count);
  return count;
}

void DisownProcesses(uv_loop_t& loop) {
  uv_walk(&loop, Disown, nullptr);
}

std::string QueuedWrites(uv_loop_t& loop, int fd) {
  std::string bytes;
  uv_stream_t* stream = StreamOf(loop, fd);
  if (stream == nullptr) return bytes;
  uv__queue* head = &stream->write_queue;
  for (uv__queue* node = head->next; node != head; node = node->next) {
    EachBuffer(RequestOf(node),
               [&](const uv_buf_t& buffer) { bytes.append(buffer.base, buffer.len); });
  }
  return bytes;
}

void CompleteWrites(uv_loop_t& loop, int fd) {
  uv_stream_t* stream = StreamOf(loop, fd);
  if (stream == nullptr) return;
  uv__queue* head = &stream->write_queue;
  // Not requests that its callbacks add, when a stream has more to write.
  for (uv__queue* last = head->prev; head->next != head;) {
    uv__queue* node = head->next;
    Complete(*stream, RequestOf(node));
    if (node == last) break;
  }
}

}  // namespace sys
