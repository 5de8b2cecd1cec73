// Nameless kernel objects, and the descriptors that share one (dup(2)).
#pragma once

#include <cstddef>
#include <cstdint>

#include "fork/base/arena.h"
#include "fork/base/failure.h"
#include "fork/base/procfs.h"
#include "fork/freeze/table.h"

namespace livefork {

// The data about an object in /proc/self/fdinfo.
struct ObjectFacts {
  uint64_t value = 0;      // eventfd's count, signalfd's mask, timerfd's clock
  uint64_t id = 0;         // eventfd's own number and 1; 0 where the kernel has none (before 5.2)
  bool semaphore = false;  // eventfd
  uint64_t ticks = 0;      // timerfd: unread expirations
  int settime_flags = 0;   // timerfd
  uint64_t left[2] = {};   // timerfd: seconds and nanoseconds until the next one
  uint64_t interval[2] = {};  // timerfd: the interval
  uint64_t features = 0;      // userfaultfd
};

// 0 if two descriptors refer to one open file; 1 and 2 order different ones: kcmp(2). -errno if the
// kernel lacks the call or denies it.
long CompareFiles(int a, int b);

Failure ReadFacts(int fdinfo, int fd, ObjectFacts& facts);

// Refuses a userfaultfd that receives fork events: clone(2) would wait until a thread has read the
// event (dup_userfaultfd_complete), and all are parked.
Failure RefuseUserfaults(const Table& table, int fdinfo);

struct Object {
  Entry* entry;
  ObjectFacts facts;  // of an eventfd: its id identifies the object
};

// The descriptors of some types. Those of one object are adjacent, sorted by number.
class Objects {
 public:
  // At most 64 types: bit 1 << kind of wanted.
  Failure Read(const Table& table, int fdinfo, unsigned wanted, Arena& arena, Deadline& deadline);

  const Object* begin() const { return list_; }
  const Object* end() const { return list_ + size_; }
  // The end of the object's descriptors.
  const Object* EndOf(const Object* first) const;

 private:
  bool Before(const Object& a, const Object& b) const;
  bool Same(const Object& a, const Object& b) const;
  bool compares_ = false;  // the kernel has kcmp(2) and allows it
  Object* list_ = nullptr;
  size_t size_ = 0;
};

}  // namespace livefork
