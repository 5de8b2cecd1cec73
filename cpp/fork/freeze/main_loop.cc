#include "fork/freeze/main_loop.h"

#include <uv.h>

#include "fork/freeze/table.h"

namespace livefork {
namespace {

struct Visitor {
  void (*visit)(void* context, int fd, uint16_t mark);
  void* context;
};

void Visit(uv_handle_t* handle, void* argument) {
  const auto* visitor = static_cast<Visitor*>(argument);
  uv_os_fd_t fd = -1;
  if (uv_fileno(handle, &fd) != 0) return;  // a timer, or a closing handle
  const bool poll = uv_handle_get_type(handle) == UV_POLL;
  visitor->visit(visitor->context, fd, poll ? Entry::kMainPoll : Entry::kMainStream);
}

}  // namespace

int BackendOf(void* loop) {
  return loop == nullptr ? -1 : uv_backend_fd(static_cast<uv_loop_t*>(loop));
}

bool HasRequests(void* loop) {
  return loop != nullptr && static_cast<uv_loop_t*>(loop)->active_reqs.count > 0;
}

void EachHandle(void* loop, void (*visit)(void* context, int fd, uint16_t mark), void* context) {
  Visitor visitor{visit, context};
  if (loop != nullptr) uv_walk(static_cast<uv_loop_t*>(loop), Visit, &visitor);
}

}  // namespace livefork
