#include "fork/objects/inotify.h"

#include <uv.h>

#include <algorithm>
#include <vector>

#include "fork/objects/file_watches.h"
#include "fork/objects/watch_numbers.h"

namespace livefork {
namespace {

// struct watcher_list of libuv's src/unix/linux.c, the same from 1.45 to 1.52; the root is the
// public uv_loop_t::inotify_watchers. All data read here is verified against the kernel's own list.
struct Node {
  Node *left, *right, *parent;
  int color;
  void* watchers[2];  // a ring of uv_fs_event_t::watchers
  int iterating;      // uv__inotify_read() has moved the ring to its stack and calls each watcher
  char* path;
  int wd;
};

Node* Leftmost(Node* node) {
  while (node != nullptr && node->left != nullptr) node = node->left;
  return node;
}

Node* Next(Node* node) {
  if (node->right != nullptr) return Leftmost(node->right);
  while (node->parent != nullptr && node == node->parent->right) node = node->parent;
  return node->parent;
}

template <typename F>
void EachNode(uv_loop_t* loop, F f) {
  Node* root = *reinterpret_cast<Node**>(&loop->inotify_watchers);
  for (Node* node = Leftmost(root); node != nullptr; node = Next(node)) f(node);
}

// Calls f(uv_fs_event_t*) for each active file watcher. The loop's own list has all of them; the
// ring of a node lacks some while one of its callbacks runs.
template <typename F>
void EachWatcher(uv_loop_t* loop, F f) {
  auto visit = [](uv_handle_t* handle, void* f) {
    if (handle->type != UV_FS_EVENT || !uv_is_active(handle)) return;
    (*static_cast<F*>(f))(reinterpret_cast<uv_fs_event_t*>(handle));
  };
  uv_walk(loop, visit, &f);
}

// Using up a number takes 2 microseconds. The limit is higher inside a watcher's callback, because
// events that libuv has already read could be lost.
constexpr int kGaps = 4096, kGapsInCallback = 65536;

Failure ReadTree(uv_loop_t* loop, Arena& arena, Watches& watches, int& gaps) {
  size_t count = 0;
  EachNode(loop, [&count](Node*) { ++count; });
  watches.items = arena.Take<Watch>(count);
  if (watches.items == nullptr) return kArenaFull;
  bool sound = true;
  int last = 0;
  gaps = kGaps;
  EachNode(loop, [&](Node* node) {
    sound = sound && node->wd > last;
    last = node->wd;
    if (node->iterating) gaps = kGapsInCallback;
    Watch& watch = watches.items[watches.count++];
    watch.owner = node;
    watch.path = node->path;
    watch.before = node->wd;
  });
  EachWatcher(loop, [&](uv_fs_event_t* watcher) {
    sound = sound && watches.Find(&Watch::before, watcher->wd) != nullptr;
  });
  if (sound) return {};
  return {ENOTSUP, "fork", "libuv's file watchers are not laid out as expected"};
}

// The new numbers have the order of the old ones, so the tree stays a search tree.
void TellNumbers(uv_loop_t* loop, Watches watches) {
  auto moved = [](const Watch& watch) { return watch.wd != watch.before; };
  if (std::none_of(watches.begin(), watches.end(), moved)) return;
  for (Watch& watch : watches) static_cast<Node*>(watch.owner)->wd = watch.wd;
  EachWatcher(loop, [&](uv_fs_event_t* watcher) {
    watcher->wd = watches.Find(&Watch::before, watcher->wd)->wd;
  });
}

// The reports for the next turn of the loop. async_hooks does not see a timer of libuv.
struct Notices {
  struct Notice {
    int wd;
    int status;  // libuv's error, or 0: the file was deleted
  };
  uv_timer_t timer;
  std::vector<Notice> list;

  const Notice* Find(int wd) const {
    auto at = std::lower_bound(list.begin(), list.end(), wd,
                               [](const Notice& notice, int n) { return notice.wd < n; });
    return at != list.end() && at->wd == wd ? &*at : nullptr;
  }

  // A number is never reused, so if a watcher still has it, it is the same watcher as at the fork,
  // or it was restarted for the same file. A handle that a callback closes stays allocated until
  // the end of this turn.
  void Tell() {
    std::vector<uv_fs_event_t*> watchers;
    EachWatcher(timer.loop, [&](uv_fs_event_t* watcher) {
      if (Find(watcher->wd) != nullptr) watchers.push_back(watcher);
    });
    for (uv_fs_event_t* watcher : watchers) {
      const Notice* notice =
          uv_is_active(reinterpret_cast<uv_handle_t*>(watcher)) ? Find(watcher->wd) : nullptr;
      if (notice == nullptr) continue;
      const char* slash = strrchr(watcher->path, '/');
      const char* name = slash == nullptr ? watcher->path : slash + 1;
      // As uv__inotify_read() reports the IN_IGNORED of a deleted file.
      if (notice->status == 0) watcher->cb(watcher, name, UV_RENAME, 0);
      if (notice->status != 0) watcher->cb(watcher, watcher->path, 0, notice->status);
    }
  }
};

}  // namespace

Failure RebuildInotify(FileWatchers& watchers, int fd, int flags) {
  auto* loop = static_cast<uv_loop_t*>(watchers.loop);
  if (loop == nullptr || loop->inotify_fd != fd) return SeverInotify(fd, flags);
  Watches watches{};
  int gaps = 0;
  Failure failure = ReadTree(loop, *watchers.arena, watches, gaps);
  if (!failure) failure = ReadWatches(fd, watches, *watchers.arena);
  if (!failure) failure = WatchAgain(fd, flags, watches, gaps, *watchers.arena);
  if (failure) return failure;
  TellNumbers(loop, watches);
  watchers.watches = watches.items;
  watchers.count = watches.count;
  return {};
}

void TellWatchers(const FileWatchers& watchers) {
  std::vector<Notices::Notice> list;
  for (const Watch& watch : Watches{watchers.watches, watchers.count}) {
    if (!watch.alive || watch.error != 0) list.push_back({watch.wd, watch.error});
  }
  if (list.empty()) return;
  auto* notices = new Notices{{}, std::move(list)};
  uv_timer_init(static_cast<uv_loop_t*>(watchers.loop), &notices->timer);
  notices->timer.data = notices;
  // Not 0, which would still be due in the timer phase if fork() was called from there.
  uv_timer_start(
      &notices->timer,
      [](uv_timer_t* timer) {
        static_cast<Notices*>(timer->data)->Tell();
        uv_close(reinterpret_cast<uv_handle_t*>(timer),
                 [](uv_handle_t* handle) { delete static_cast<Notices*>(handle->data); });
      },
      1, 0);
  uv_unref(reinterpret_cast<uv_handle_t*>(&notices->timer));
}

}  // namespace livefork
