#include "sys/trusted_open.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sys {
namespace {

// The kernel's limit: path_resolution(7).
constexpr int kMostLinks = 40;
// The limit against another process that makes and removes the file all the time.
constexpr int kTries = 100;

constexpr int kDirectory = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
constexpr int kEntry = O_PATH | O_NOFOLLOW | O_CLOEXEC;

bool OursOrRoots(uid_t uid) {
  return uid == 0 || uid == geteuid();
}

bool OthersRemove(const struct stat& found) {
  return (found.st_mode & S_IWOTH) != 0 && (found.st_mode & S_ISVTX) == 0;
}

// Whether only root can have put a link of root there. Otherwise other users could have moved it
// there.
bool OnlyRootMovesFilesIn(const struct stat& found) {
  if (!OursOrRoots(found.st_uid)) return false;
  if ((found.st_mode & S_ISVTX) != 0) return true;
  const bool group = (found.st_mode & S_IWGRP) != 0 && found.st_gid != 0;
  return !group && (found.st_mode & S_IWOTH) == 0;
}

bool IsLink(int error) {
  // EMLINK is FreeBSD's.
  return error == ELOOP || error == EMLINK;
}

class Walk {
 public:
  Walk(bool strict, Way* way) : strict_(strict), way_(way) {}
  ~Walk() { Enter(-1); }
  Walk(const Walk&) = delete;
  Walk& operator=(const Walk&) = delete;

  // Walks to the directory of the file, through all directories and links in the path.
  int Go(const char* path) {
    const size_t size = std::strlen(path) + 1;
    if (size > sizeof rest_) return -ENAMETOOLONG;
    std::memcpy(rest_, path, size);
    if (!strict_) return GoBlindly();
    if (int error = EnterRoot()) return error;
    for (;;) {
      if (!Next()) return -EISDIR;
      if (*left_ == '\0') return 0;
      if (int error = Step()) return error;
    }
  }

  int Open(int flags, const NewFile& made) {
    flags = (flags & ~O_CREAT) | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    if (made.mode == kOnlyRoom && IsFifo()) return LookAtFifo();
    for (int tries = 0; tries < kTries; tries++) {
      const int fd = openat(directory_, name_, flags);
      if (fd >= 0) return fd;
      if (IsLink(errno)) {
        way_->found = Found::kLink;
        return -ELOOP;
      }
      if (errno != ENOENT) return -errno;
      if (made.mode == kNone) return -ENOENT;
      if (made.mode == kOnlyRoom) return LookForRoom();
      const int fresh = Make(flags, made);
      if (fresh != -EEXIST) return fresh;
    }
    return -EEXIST;
  }

 private:
  int GoBlindly() {
    name_ = rest_;
    directory_ = AT_FDCWD;
    return 0;
  }

  void Enter(int directory) {
    if (directory_ >= 0) close(directory_);
    directory_ = directory;
  }

  int EnterRoot() {
    left_ = rest_;
    way_->at[0] = '\0';
    guarded_ = true;
    return EnterOne(open("/", kDirectory));
  }

  int EnterOne(int directory) {
    if (directory < 0) return -errno;
    Enter(directory);
    if (fstat(directory, &stat_) != 0) return -errno;
    // In a directory with the sticky bit other users cannot remove root's files, but can make new
    // ones.
    guarded_ = guarded_ && OnlyRootMovesFilesIn(stat_);
    way_->guarded = guarded_ && (stat_.st_mode & S_IWOTH) == 0;
    if (!OthersRemove(stat_)) return 0;
    if (way_->at[0] == '\0') std::memcpy(way_->at, "/", 2);
    way_->found = Found::kOpenDirectory;
    return -EPERM;
  }

  // Takes the next component of the path; false at its end.
  bool Next() {
    while (*left_ == '/') left_++;
    if (*left_ == '\0') return false;
    name_ = left_;
    left_ += std::strcspn(left_, "/");
    // A trailing slash is for directories, and a log is not one.
    if (*left_ != '\0') *left_++ = '\0';
    return true;
  }

  int Remember() {
    const size_t length = std::strlen(way_->at);
    const size_t more = std::strlen(name_) + 1;
    if (length + 1 + more > sizeof way_->at) return -ENAMETOOLONG;
    way_->at[length] = '/';
    std::memcpy(way_->at + length + 1, name_, more);
    return 0;
  }

  int Step() {
    if (int error = Remember()) return error;
    const int directory = openat(directory_, name_, kDirectory);
    if (directory >= 0) return EnterOne(directory);
    // O_PATH opens the link itself, which is not a directory.
    if (errno != ENOTDIR && !IsLink(errno)) return -errno;
    const int link = openat(directory_, name_, kEntry);
    if (link < 0) return -errno;
    const int error = Follow(link);
    close(link);
    return error;
  }

  // Reads the link through the checked descriptor, because its name may lead to another one now.
  int Follow(int link) {
    struct stat found {};
    if (fstat(link, &found) != 0) return -errno;
    if (!S_ISLNK(found.st_mode)) return -ENOTDIR;
    if (!OursOrRoots(found.st_uid) || !OnlyRootMovesFilesIn(stat_)) {
      way_->found = Found::kForeignLink;
      way_->owner = OursOrRoots(found.st_uid) ? uid_t(-1) : found.st_uid;
      return -EPERM;
    }
    if (++links_ > kMostLinks) return -ELOOP;
    char target[PATH_MAX];
    const ssize_t size = readlinkat(link, "", target, sizeof target);
    if (size < 0) return -errno;
    return Splice(target, static_cast<size_t>(size));
  }

  int Splice(const char* target, size_t size) {
    char rest[PATH_MAX];
    const size_t left = std::strlen(left_);
    if (size == 0) return -ENOENT;
    if (size + 1 + left >= sizeof rest) return -ENAMETOOLONG;
    std::memcpy(rest, target, size);
    rest[size] = '/';
    std::memcpy(rest + size + 1, left_, left + 1);
    std::memcpy(rest_, rest, size + 1 + left + 1);
    left_ = rest_;
    if (rest_[0] == '/') return EnterRoot();
    *std::strrchr(way_->at, '/') = '\0';
    return 0;
  }

  bool IsFifo() {
    struct stat found {};
    return fstatat(directory_, name_, &found, AT_SYMLINK_NOFOLLOW) == 0 && S_ISFIFO(found.st_mode);
  }

  int LookAtFifo() {
    if (faccessat(directory_, name_, W_OK, 0) != 0) return -errno;
    way_->found = Found::kFifo;
    return -ENXIO;
  }

  int LookForRoom() {
    if (strict_) {
      name_ = ".";
    } else {
      char* slash = std::strrchr(rest_, '/');
      *(slash == rest_ ? slash + 1 : slash) = '\0';
    }
    struct stat found {};
    if (fstatat(directory_, name_, &found, 0) != 0) return -errno;
    if (!S_ISDIR(found.st_mode)) return -ENOTDIR;
    if (faccessat(directory_, name_, W_OK | X_OK, 0) != 0) return -errno;
    way_->found = Found::kRoom;
    return -ENOENT;
  }

  int Make(int flags, const NewFile& made) {
    const auto mode = static_cast<mode_t>(made.mode);
    const int fd = openat(directory_, name_, flags | O_CREAT | O_EXCL, mode);
    if (fd < 0) return -errno;
    // Some file systems have no modes.
    (void)!fchmod(fd, mode);
    if (made.uid != uid_t(-1) && fchown(fd, made.uid, made.gid) != 0) {
      const int error = -errno;
      unlinkat(directory_, name_, 0);
      close(fd);
      return error;
    }
    way_->found = Found::kMade;
    return fd;
  }

  const bool strict_;
  Way* way_;
  int directory_ = -1;
  int links_ = 0;
  bool guarded_ = false;
  struct stat stat_ {};
  char rest_[PATH_MAX];
  char* left_ = rest_;
  const char* name_ = rest_;
};

}  // namespace

int OpenOnWay(const char* path, int flags, const NewFile& made, bool strict, Way* way) {
  Walk walk(strict, way);
  if (int error = walk.Go(path)) return error;
  const int fd = walk.Open(flags, made);
  struct stat found {};
  if (fd >= 0 && fstat(fd, &found) == 0 && !S_ISFIFO(found.st_mode)) {
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
  }
  return fd;
}

Opened OpenTrusted(const std::string& path, int flags, int mode, bool strict, int64_t uid,
                   int64_t gid) {
  Way way;
  const NewFile made{mode, static_cast<uid_t>(uid), static_cast<gid_t>(gid)};
  const int fd = OpenOnWay(path.c_str(), flags, made, strict, &way);
  return {fd, static_cast<int>(way.found), way.owner, way.at, way.guarded};
}

}  // namespace sys
