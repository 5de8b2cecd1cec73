#include "fork/inotify.h"

#include <sys/inotify.h>
#include <uv.h>

#include <cstring>

#include "fork/procfs.h"

namespace livefork {
namespace {

// struct watcher_list of libuv's src/unix/linux.c, the same from 1.45 to 1.52; the root is the
// public uv_loop_t::inotify_watchers. What is read here is proved against the kernel's own list.
struct Node {
  Node *left, *right, *parent;
  int color;
  void* watchers[2];  // a ring of uv_fs_event_t::watchers
  int iterating;
  char* path;
  int wd;
};

// uv_fs_event_start()'s mask.
constexpr uint32_t kMask = IN_ATTRIB | IN_CREATE | IN_MODIFY | IN_DELETE | IN_DELETE_SELF |
                           IN_MOVE_SELF | IN_MOVED_FROM | IN_MOVED_TO;

uv_fs_event_t* HandleOf(void* watchers) {
  constexpr size_t kOffset = offsetof(uv_fs_event_t, watchers);
  return reinterpret_cast<uv_fs_event_t*>(static_cast<char*>(watchers) - kOffset);
}

template <typename F>
void EachHandle(Node* node, F f) {
  void** end = node->watchers;
  for (void** at = static_cast<void**>(end[0]); at != end; at = static_cast<void**>(at[0])) {
    f(HandleOf(at));
  }
}

Node* Leftmost(Node* node) {
  while (node != nullptr && node->left != nullptr) node = node->left;
  return node;
}

Node* Next(Node* node) {
  if (node->right != nullptr) return Leftmost(node->right);
  while (node->parent != nullptr && node == node->parent->right) node = node->parent;
  return node->parent;
}

// Is every watch that the tree holds one that the kernel holds, and are there as many?
bool KernelAgrees(int fdinfo, InotifyTree& tree) {
  Name name = Decimal(static_cast<unsigned>(tree.fd));
  Fd info(Sys(SYS_openat, fdinfo, name.text, O_RDONLY | O_CLOEXEC, 0));
  if (info.get() < 0) return false;
  Lines lines(info.get());
  size_t listed = 0, known = 0;
  while (const char* line = lines.Next()) {
    if (!Skip(line, "inotify wd:")) continue;
    ++listed;
    const int wd = static_cast<int>(Number(line, 16));
    for (const Watch& watch : tree.watches) known += watch.wd == wd;
  }
  // A file that was deleted is watched no more, but stays in the tree until its event is read.
  return known == listed && tree.watches.size() >= listed;
}

// Takes the next watch descriptor and gives it back: libuv reads the IN_IGNORED that this leaves
// as a rename of the watched file, which is what became of it.
long UseUpNumber(int inotify) {
  Fd file(Sys(SYS_memfd_create, "daemonkit", 1 /* MFD_CLOEXEC */));
  if (file.get() < 0) return file.get();
  char path[32] = "/proc/self/fd/";
  Name name = Decimal(static_cast<unsigned>(file.get()));
  memcpy(path + strlen(path), name.text, strlen(name.text) + 1);
  long wd = Sys(SYS_inotify_add_watch, inotify, path, IN_MODIFY);
  if (wd >= 0) Sys(SYS_inotify_rm_watch, inotify, wd);
  return wd;
}

}  // namespace

Failure DescribeInotify(void* loop, int fdinfo, Arena& arena, InotifyTree& tree) {
  auto* uv = static_cast<uv_loop_t*>(loop);
  if (uv->inotify_fd < 0) return {};
  tree.fd = uv->inotify_fd;
  for (Node* node = Leftmost(*reinterpret_cast<Node**>(&uv->inotify_watchers)); node != nullptr;
       node = Next(node)) {
    Watch* watch = tree.watches.Add(arena);
    if (watch == nullptr) return kArenaFull;
    *watch = {node, node->path, node->wd};
    bool sound = true;
    EachHandle(node, [&](uv_fs_event_t* h) { sound = sound && h->wd == node->wd; });
    if (!sound) return {ENOTSUP, "fork", "libuv's file watchers are not laid out as expected"};
  }
  if (!KernelAgrees(fdinfo, tree)) {
    return {ENOTSUP, "fork", "libuv's file watchers differ from what the kernel watches"};
  }
  return {};
}

// The kernel hands out watch descriptors in ascending order, so giving the nodes their new numbers
// in the order of the old ones leaves the tree a search tree.
Failure RebuildInotify(const InotifyTree& tree) {
  int last = 0;
  for (const Watch& watch : tree.watches) {
    long wd = Sys(SYS_inotify_add_watch, tree.fd, watch.path, kMask);
    const bool limit = wd == -ENOSPC || wd == -ENOMEM;
    // Otherwise the path is gone, or is by now the file of an earlier watch.
    if (wd <= last && !limit) wd = UseUpNumber(tree.fd);
    if (wd <= last) return Check(wd < 0 ? wd : -EIO, "inotify_add_watch");
    last = static_cast<int>(wd);
    auto* node = static_cast<Node*>(watch.node);
    node->wd = last;
    EachHandle(node, [last](uv_fs_event_t* h) { h->wd = last; });
  }
  return {};
}

}  // namespace livefork
