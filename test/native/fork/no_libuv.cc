// cpp/fork/inotify.h for a process without libuv: there is no tree of file watchers to rebuild.
#include "fork/inotify.h"

namespace livefork {

Failure DescribeInotify(void*, int, Arena&, InotifyTree&) {
  return {};
}

Failure RebuildInotify(const InotifyTree&) {
  return {};
}

}  // namespace livefork
