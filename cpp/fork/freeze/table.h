// The descriptor table for fork(): the type of each number, found without asking a file system.
// fstat(2) of a file on an NFS or FUSE server that does not answer waits forever, and so would all
// parked threads.
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
    kMain = 1 << 0,        // the main loop has a handle for it, or its epoll watches it
    kMainStream = 1 << 1,  // such a handle is a stream, a terminal or a UDP socket
    kMainPoll = 1 << 2,    // such a handle is a uv_poll_t: an addon's, or c-ares's
    kWatched = 1 << 3,     // some epoll of this process watches it
    kAwaited = 1 << 4,     // a parked thread is in a call that reads it or waits for data
    kReads = 1 << 5,       // a thread other than the main loop's reads it
    kWrites = 1 << 6,      // a thread other than the main loop's writes to it
    kControls = 1 << 7,    // a thread is in ioctl(2) on it
    kQueue = 1 << 8,       // a thread is in mq_timedreceive(2) on it
    kPrivate = 1 << 9,     // the child gets its own object there
    kSevered = 1 << 10,    // that object is at its end
    kMet = 1 << 11,        // by CountSameNumbers()
  };

  bool Has(unsigned wanted) const { return (marks & wanted) != 0; }

  int fd;
  Kind kind;
  uint16_t marks;
  uint64_t inode;  // 0: not read yet
};

// Facts about an open file that the kernel knows without asking the file system.
struct FileFacts {
  uint64_t inode = 0;
  unsigned mode = 0;
  unsigned major = 0;  // of a device
};

// 0 or -errno; -EBADF if the number is free. descriptors is /proc/self/fd. Since 4.11 statx(2) has
// a flag for cached data; FUSE respects it, and NFS since 4.16. If a filter denies the call, the
// link provides the most important facts.
long AskFile(int descriptors, int fd, FileFacts& facts);

// The deadline for every loop while threads are parked.
class Deadline {
 public:
  explicit Deadline(uint64_t ns) : ns_(ns) {}
  uint64_t ns() const { return ns_; }
  // Reads the clock only every 64 calls.
  bool Over();

 private:
  uint64_t ns_;
  unsigned calls_ = 0;
};

constexpr Failure kTooLate{EAGAIN, "fork", "the descriptors could not be read in time"};

// What the main loop has handles for, before the table is read.
class HandleMarks {
 public:
  bool Read(void* loop, Arena& arena);
  uint16_t Of(int fd) const { return fd < size_ ? marks_[fd] : uint16_t{0}; }

 private:
  uint16_t* marks_ = nullptr;
  int size_ = 0;
};

class Table {
 public:
  // Reads /proc/self/fd, without the descriptors of fork() itself (files, and own), and marks those
  // with a handle.
  Failure Read(const ProcFiles& files, int own, const HandleMarks& handles, Arena& arena,
               Deadline& deadline);

  Entry* begin() const { return entries_; }
  Entry* end() const { return entries_ + size_; }
  template <typename F>
  size_t Count(F f) const {
    size_t n = 0;
    for (const Entry& entry : *this) n += f(entry) ? 1 : 0;
    return n;
  }
  Entry* Find(int fd) const;

  // Reads it at the first call; 0 if it is unknown.
  uint64_t Inode(Entry& entry) const;
  int descriptors() const { return descriptors_; }

 private:
  Failure Numbers(const ProcFiles& files, int own, const HandleMarks& handles, Arena& arena,
                  Deadline& deadline, List<int>& numbers) const;
  Failure Classify(Entry& entry) const;
  int descriptors_ = -1;  // /proc/self/fd
  Entry* entries_ = nullptr;
  size_t size_ = 0;
};

// Whether FD_CLOEXEC is set; false if the call fails.
bool ClosesOnExec(int fd);

}  // namespace livefork
