// Opening a file by a path such that nobody else decides which file that is.
#pragma once

#include <sys/types.h>

#include <climits>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>

namespace sys {

// What came of it, beside the descriptor; lib/ knows the numbers by their names.
enum class Found : int {
  kFile = 0,           // opened; or what open(2) said
  kMade = 1,           // it was not there, and was made
  kRoom = 2,           // it is not there, and could be made
  kLink = 3,           // it is a symbolic link
  kForeignLink = 4,    // at `at` is a link of `owner`, or (-1) one that others can exchange
  kOpenDirectory = 5,  // everybody may remove what is in the directory `at`
  kFifo = 6,  // with kOnlyRoom: a FIFO, which is not opened, as its reader would see an end
};
inline constexpr const char* kFound[] = {"file",        "made",          "room", "link",
                                         "foreignLink", "openDirectory", "fifo"};
static_assert(sizeof kFound / sizeof *kFound == static_cast<size_t>(Found::kFifo) + 1);

// Who a new file shall belong to (-1: as it comes), and its mode, whatever the umask; kNone makes
// none, kOnlyRoom neither, and finds out whether one could be made.
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
  // Nobody but root can have put a file there, whoever it belongs to. Only looked at if `strict`.
  bool guarded = false;
};

// Opens the absolute path, without waiting, never as a terminal, and never by a link of its last
// name. `strict`, for root: each directory on the way is opened by the descriptor of the one
// before, so that none can be exchanged between a look at it and its use. Symbolic links are
// followed where nobody but root could have put them; a directory in which everybody may remove
// files is refused.
//
// A descriptor that is close-on-exec, or -errno. Neither malloc nor locks: also for a child of a
// process with threads. Only a FIFO keeps O_NONBLOCK.
int OpenOnWay(const char* path, int flags, const NewFile& made, bool strict, Way* way);

// {descriptor or -errno, Found, owner, at, guarded}; the arguments as above.
using Opened = std::tuple<int, int, int64_t, std::string, bool>;
Opened OpenTrusted(const std::string& path, int flags, int mode, bool strict, int64_t uid,
                   int64_t gid);

}  // namespace sys
