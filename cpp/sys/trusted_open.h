// Opens a file by a path that other users cannot redirect.
#pragma once

#include <sys/types.h>

#include <climits>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>

namespace sys {

// The outcome besides the descriptor; lib/ uses the names of the numbers.
enum class Found : int {
  kFile = 0,           // opened, or the error of open(2)
  kMade = 1,           // it did not exist and was made
  kRoom = 2,           // it does not exist and could be made
  kLink = 3,           // it is a symbolic link
  kForeignLink = 4,    // `at` is a link of `owner`, or (-1) one that others can replace
  kOpenDirectory = 5,  // everyone may remove files in the directory `at`
  kFifo = 6,           // with kOnlyRoom: a FIFO, not opened, because its reader would see an end
};
inline constexpr const char* kFound[] = {"file",        "made",          "room", "link",
                                         "foreignLink", "openDirectory", "fifo"};
static_assert(sizeof kFound / sizeof *kFound == static_cast<size_t>(Found::kFifo) + 1);

// The owner of a new file (-1: the process's ids), and its mode; the umask does not apply. kNone
// makes no file; kOnlyRoom makes none either, and finds out whether it is possible.
constexpr int kNone = -1;
constexpr int kOnlyRoom = -2;

struct NewFile {
  int mode;
  uid_t uid;
  gid_t gid;
};

struct Way {
  Found found = Found::kFile;
  uid_t owner = 0;
  char at[PATH_MAX] = "";
  // Only root can have put a file there, regardless of its owner. Only checked if `strict`.
  bool guarded = false;
};

// Opens the absolute path, without waiting, never as a controlling terminal, and never through a
// link as the last component. `strict`, for root: each directory of the path is opened through the
// descriptor of the one before, so that none can be replaced between check and use. Symbolic links
// are followed only if root alone can have put them there. A directory in which everyone may remove
// files is refused.
//
// A close-on-exec descriptor, or -errno. Uses neither malloc nor locks, so it also works in a child
// of a process with threads. Only a FIFO keeps O_NONBLOCK.
int OpenOnWay(const char* path, int flags, const NewFile& made, bool strict, Way* way);

// {descriptor or -errno, Found, owner, at, guarded}; the arguments as above.
using Opened = std::tuple<int, int, int64_t, std::string, bool>;
Opened OpenTrusted(const std::string& path, int flags, int mode, bool strict, int64_t uid,
                   int64_t gid);

}  // namespace sys
