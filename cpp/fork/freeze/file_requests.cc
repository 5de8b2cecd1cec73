#include "fork/freeze/file_requests.h"

#include <uv.h>

#include <cstddef>
#include <cstring>

#include "fork/base/peek.h"
#include "fork/freeze/main_loop.h"

namespace livefork {
namespace {

// libuv's to use until it is done, in parent and child alike.
uv_work_t mark;
bool marked = false;

constexpr size_t kPiece = 4096;
// From the signal's frame to worker(), uv__fs_work() and the call that it makes: some 2 KiB, and
// more with the extended state of newer processors (AVX-512: 2.7 KiB, AMX: 8 KiB more).
constexpr size_t kStack = 4 * kPiece;

class Finder {
 public:
  Finder(const ProcFiles& files, void* loop, Arena& arena, Writes& found)
      : files_(files), loop_(static_cast<uv_loop_t*>(loop)), arena_(arena), found_(found) {}

  // What the thread works on: uv__fs_work(w) has w, or the request around it, in some register or
  // in its frame.
  Failure OnStack(const Thread& thread) {
    uintptr_t words[kPiece / sizeof(uintptr_t)];
    const auto sp = static_cast<uintptr_t>(StackPointer(thread.context));
    Failure failure = Words(reinterpret_cast<const uintptr_t*>(&thread.context),
                            sizeof thread.context / sizeof(uintptr_t));
    for (uintptr_t at = sp; !failure && at < sp + kStack; at += kPiece) {
      const size_t n = Peek(files_, at, words, kPiece);
      failure = Words(words, n / sizeof *words);
      if (n < kPiece) break;
    }
    return failure;
  }

  // uv__work's that are done.
  Failure Done() { return Ring(reinterpret_cast<uintptr_t>(&loop_->wq)); }

  // Those that wait with ours. One that is not in the queue any more is alone.
  Failure Queued() {
    return marked ? Ring(reinterpret_cast<uintptr_t>(&mark.work_req.wq)) : Failure{};
  }

 private:
  static constexpr size_t kWork = offsetof(uv_fs_t, work_req);
  static constexpr int kMost = 10000;

  // The links of a queue are the wq fields of what is in it (src/threadpool.c, src/queue.h), and
  // one more, which is nobody's.
  Failure Ring(uintptr_t begin) {
    void* links[2];
    if (!PeekAll(files_, begin, links, sizeof links)) return {};
    for (int steps = 0; steps < kMost; ++steps) {
      const auto at = reinterpret_cast<uintptr_t>(links[0]);
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

  // If there is one there: it names the loop in two places, and its kind in two.
  Failure Request(uintptr_t at) {
    uv_fs_t request;
    uv_loop_t* loop = nullptr;
    if (at < kPiece || !PeekAll(files_, at + offsetof(uv_fs_t, loop), &loop, sizeof loop))
      return {};
    if (loop != loop_ || !PeekAll(files_, at, &request, sizeof request)) return {};
    if (request.type != UV_FS || request.work_req.loop != loop_) return {};
    if (request.fs_type == UV_FS_COPYFILE) found_.copies = true;
    if (request.fs_type == UV_FS_WRITE && request.off < 0) return Add(request.file);
    if (request.fs_type != UV_FS_OPEN) return {};
    // The result is written there by the thread, once open(2) has returned it.
    if (request.result > 0) return Add(static_cast<int>(request.result));
    found_.opens = found_.opens || request.result == 0;
    return {};
  }

  Failure Add(int descriptor) {
    int* fd = found_.fds.Add(arena_);
    if (fd == nullptr) return kArenaFull;
    *fd = descriptor;
    return {};
  }

  const ProcFiles& files_;
  uv_loop_t* loop_;
  Arena& arena_;
  Writes& found_;
};

}  // namespace

void MarkQueue(void* loop) {
  if (marked || !HasRequests(loop)) return;
  auto nothing = [](uv_work_t*) {};
  auto done = [](uv_work_t*, int) { marked = false; };
  marked = uv_queue_work(static_cast<uv_loop_t*>(loop), &mark, nothing, done) == 0;
}

Failure ListWrites(const Park& park, const ProcFiles& files, void* loop, Arena& arena,
                   Writes& found) {
  Finder finder(files, loop, arena, found);
  Failure failure = finder.Done();
  if (!failure) failure = finder.Queued();
  park.Each([&](const Thread& thread) {
    if (!failure) failure = finder.OnStack(thread);
  });
  return failure;
}

}  // namespace livefork
