#include "fork/freeze/file_requests.h"

#include <fcntl.h>
#include <uv.h>

#include <cstddef>
#include <cstring>
#include <initializer_list>

#include "fork/base/peek.h"
#include "fork/freeze/main_loop.h"

namespace livefork {
namespace {

uv_fs_t* At(uintptr_t request) {
  return reinterpret_cast<uv_fs_t*>(request);
}

// Replaces uv__fs_work(), which a pool thread calls after it has taken a request from the queue.
void Refuse(uv__work* work) {
  auto* request = reinterpret_cast<char*>(work) - offsetof(uv_fs_t, work_req);
  reinterpret_cast<uv_fs_t*>(request)->result = UV_ECANCELED;
}

bool Changes(const uv_fs_t& request) {
  switch (request.fs_type) {
    case UV_FS_UNLINK:
    case UV_FS_RMDIR:
    case UV_FS_MKDIR:
    case UV_FS_RENAME:
    case UV_FS_LINK:
    case UV_FS_SYMLINK:
    case UV_FS_COPYFILE:
    case UV_FS_FTRUNCATE:
      return true;
    case UV_FS_OPEN:
      return (request.flags & O_EXCL) != 0;
    default:
      return false;
  }
}

// libuv uses it until the loop has handled its completion, in parent and child. Several forks may
// happen before that.
struct Mark {
  uv_work_t request;
  bool used;
};
constexpr size_t kMarks = 16;
Mark marks[kMarks];

constexpr size_t kPiece = 4096;
// From the signal's frame to worker(). uv__fs_copyfile() calls uv__fs_work() a second time, and
// both frames may contain the 8 KiB of uv__fs_sendfile_emul() if the compiler has inlined it: 19
// KiB in libuv 1.52 of Node 26.12. A signal's frame may be 11 KiB (AMX). Usually a stack ends
// earlier.
constexpr size_t kStack = 16 * kPiece;

class Finder {
 public:
  Finder(const ProcFiles& files, void* loop, Arena& arena, Writes& found)
      : files_(files), loop_(static_cast<uv_loop_t*>(loop)), arena_(arena), found_(found) {}

  // The request of the thread: uv__fs_work(w) has w, or the request that contains it, in a register
  // or in its frame.
  Failure OnStack(const Thread& thread) {
    uintptr_t words[kPiece / sizeof(uintptr_t)];
    const auto sp = static_cast<uintptr_t>(StackPointer(thread.context));
    Failure failure = Words(reinterpret_cast<const uintptr_t*>(&thread.context),
                            sizeof thread.context / sizeof(uintptr_t));
    // Page by page: of a piece beyond the stack's end Peek() reads nothing, and on musl the frame
    // of worker() is in the last page.
    for (uintptr_t at = sp; !failure && at < sp + kStack;) {
      const size_t rest = kPiece - at % kPiece;
      if (Peek(files_, at, words, rest) < rest) break;
      failure = Words(words, rest / sizeof *words);
      at += rest;
    }
    return failure;
  }

  // Completed uv__work items.
  Failure Done() { return Ring(reinterpret_cast<uintptr_t>(&loop_->wq), 0); }

  // Items that wait in the queue with our mark. An item that has left the queue is alone. Follows
  // both directions, because a thread may have been stopped while it changed the queue.
  Failure Queued() {
    Failure failure;
    for (const Mark& mark : marks) {
      if (!mark.used || mark.request.work_req.work == nullptr) continue;
      for (const int direction : {0, 1}) {
        if (failure) break;
        failure = Ring(reinterpret_cast<uintptr_t>(&mark.request.work_req.wq), direction);
      }
    }
    return failure;
  }

 private:
  static constexpr size_t kWork = offsetof(uv_fs_t, work_req);
  static constexpr int kMost = 10000;

  // The links of a queue are the wq fields of its items (src/threadpool.c, src/queue.h), and the
  // head, which belongs to no item.
  Failure Ring(uintptr_t begin, int direction) {
    uintptr_t links[2] = {};
    if (!PeekAll(files_, begin, links, sizeof links)) return {};
    for (int steps = 0; steps < kMost; ++steps) {
      const uintptr_t at = links[direction];
      if (at == begin || at == 0) break;
      if (Failure failure = Request(at - offsetof(uv__work, wq) - kWork)) return failure;
      if (!PeekAll(files_, at, links, sizeof links)) break;
    }
    return {};
  }

  Failure Words(const uintptr_t* words, size_t n) {
    uintptr_t last = 0;
    for (size_t i = 0; i < n; ++i) {
      const uintptr_t word = words[i];
      if (word == last || word % alignof(uv_fs_t) != 0 || word < kPiece || word >> 47 != 0)
        continue;
      last = word;
      Failure failure = Request(word);
      if (!failure) failure = Request(word - kWork);
      if (failure) return failure;
    }
    return {};
  }

  // Checks whether there is a request: it contains the loop twice, and its type twice.
  Failure Request(uintptr_t at) {
    uv_fs_t request{};
    uintptr_t loop = 0;
    if (at < kPiece || !PeekAll(files_, at + offsetof(uv_fs_t, loop), &loop, sizeof loop))
      return {};
    if (loop != reinterpret_cast<uintptr_t>(loop_) ||
        !PeekAll(files_, at, &request, sizeof request))
      return {};
    if (request.type != UV_FS || request.work_req.loop != loop_) return {};
    if (request.work_req.work != nullptr && request.result == 0) {
      Failure failure;
      if (Changes(request)) failure = Keep(found_.changes, at);
      if (request.fs_type == UV_FS_OPEN) failure = Keep(found_.openings, at);
      if (failure) return failure;
    }
    if (request.fs_type == UV_FS_COPYFILE) found_.copies = true;
    if (request.fs_type == UV_FS_WRITE && request.off < 0) return Keep(found_.fds, request.file);
    if (request.fs_type != UV_FS_OPEN) return {};
    // The thread writes the result there after open(2) has returned.
    if (request.result > 0) return Keep(found_.fds, static_cast<int>(request.result));
    found_.opens = found_.opens || request.result == 0;
    return {};
  }

  template <typename T>
  Failure Keep(List<T>& list, T value) {
    T* kept = list.Add(arena_);
    if (kept == nullptr) return kArenaFull;
    *kept = value;
    return {};
  }

  const ProcFiles& files_;
  uv_loop_t* loop_;
  Arena& arena_;
  Writes& found_;
};

}  // namespace

void MarkQueue(void* loop) {
  if (!HasRequests(loop)) return;
  auto nothing = [](uv_work_t*) {};
  auto done = [](uv_work_t* request, int) { static_cast<Mark*>(request->data)->used = false; };
  for (Mark& mark : marks) {
    if (mark.used) continue;
    mark.request.data = &mark;
    mark.used = uv_queue_work(static_cast<uv_loop_t*>(loop), &mark.request, nothing, done) == 0;
    return;
  }
}

Failure ListWrites(const Park& park, const ProcFiles& files, void* loop, Arena& arena,
                   Writes& found) {
  Finder finder(files, loop, arena, found);
  Failure failure = finder.Done();
  park.Each([&](const Thread& thread) {
    if (!failure) failure = finder.OnStack(thread);
  });
  return failure ? failure : finder.Queued();
}

void WithholdRequests(const Writes& writes) {
  // No effect on a request that a thread has begun: the thread does not read this again.
  for (const uintptr_t request : writes.changes) At(request)->work_req.work = Refuse;
  for (const uintptr_t request : writes.openings) At(request)->flags &= ~O_TRUNC;
}

}  // namespace livefork
