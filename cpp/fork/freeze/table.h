// The descriptor table as fork() sees it: what each number stands for, learnt without asking a file
// system. fstat(2) of a file on an NFS or FUSE server that is silent waits for ever, and so would
// all threads, which are parked.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fork/base/arena.h"
#include "fork/base/failure.h"
#include "fork/base/procfs.h"

namespace livefork {

enum class Kind : uint8_t {
  kOther,  // a file, a terminal, a device, a FIFO with a name
  kSocket,
  kPipe,
  kEpoll,
  kEventfd,
  kInotify,
  kTimerfd,
  kSignalfd,
  kRing,
  kUserfault,
};

struct Entry {
  enum Mark : uint16_t {
    kMain = 1 << 0,        // the main loop has a handle of it, or its epoll watches it
    kMainStream = 1 << 1,  // such a handle is a stream, a terminal or a UDP socket
    kMainPoll = 1 << 2,    // such a handle is a uv_poll_t: an addon's, or c-ares's
    kWatched = 1 << 3,     // some epoll of this process watches it
    kAwaited = 1 << 4,     // a parked thread stands in a call that reads it or waits for that
    kReads = 1 << 5,       // somebody else than the main loop reads it
    kWrites = 1 << 6,      // somebody else than the main loop writes to it
    kControls = 1 << 7,    // a thread stands in ioctl(2) of it
    kQueue = 1 << 8,       // a thread stands in mq_timedreceive(2) of it
    kPrivate = 1 << 9,     // the child gets something of its own there
    kSevered = 1 << 10,    // that is at its end
    kMet = 1 << 11,        // by CountSameNumbers()
  };

  bool Has(unsigned wanted) const { return (marks & wanted) != 0; }

  int fd;
  Kind kind;
  uint16_t marks;
  uint64_t inode;  // 0: not asked for yet
};

// What the kernel knows of an open file without asking its file system.
struct FileFacts {
  uint64_t inode = 0;
  unsigned mode = 0;
  unsigned major = 0;  // of a device
};

// 0 or -errno; -EBADF if the number is free. descriptors is /proc/self/fd. statx(2) since 4.11 has
// a flag for "what is cached"; FUSE obeys it, and NFS since 4.16. Where a filter denies the call
// the link says the most important of it.
long AskFile(int descriptors, int fd, FileFacts& facts);

// A time that every loop under the park keeps to.
class Deadline {
 public:
  explicit Deadline(uint64_t ns) : ns_(ns) {}
  uint64_t ns() const { return ns_; }
  // Looks at the clock once in 64 calls.
  bool Over();

 private:
  uint64_t ns_;
  unsigned calls_ = 0;
};

constexpr Failure kTooLate{EAGAIN, "fork", "the descriptors could not be read in time"};

class Table {
 public:
  // Reads /proc/self/fd; what fork() itself has opened (files, and own) is left out.
  Failure Read(const ProcFiles& files, int own, Arena& arena, Deadline& deadline);

  Entry* begin() const { return entries_; }
  Entry* end() const { return entries_ + size_; }
  template <typename F>
  size_t Count(F f) const {
    size_t n = 0;
    for (const Entry& entry : *this) n += f(entry) ? 1 : 0;
    return n;
  }
  Entry* Find(int fd) const;

  // Asks for it at the first call; 0 where nobody tells.
  uint64_t Inode(Entry& entry) const;
  int descriptors() const { return descriptors_; }

 private:
  Failure Numbers(const ProcFiles& files, int own, Arena& arena, Deadline& deadline,
                  List<int>& numbers) const;
  Failure Classify(Entry& entry) const;
  int descriptors_ = -1;  // /proc/self/fd
  Entry* entries_ = nullptr;
  size_t size_ = 0;
};

// FD_CLOEXEC; a descriptor that cannot be asked has not.
bool ClosesOnExec(int fd);

}  // namespace livefork
