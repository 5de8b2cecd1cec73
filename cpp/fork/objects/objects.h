// Nameless kernel objects and the descriptors that share one (dup(2)).
#pragma once

#include <cstddef>
#include <cstdint>

#include "fork/base/arena.h"
#include "fork/base/failure.h"
#include "fork/base/procfs.h"
#include "fork/freeze/table.h"

namespace livefork {

// What /proc/self/fdinfo tells of one.
struct ObjectFacts {
  uint64_t value = 0;      // eventfd's count, signalfd's mask, timerfd's clock
  uint64_t id = 0;         // eventfd's own number and 1; 0 where the kernel has none (before 5.2)
  bool semaphore = false;  // eventfd
  uint64_t ticks = 0;      // timerfd: expirations that were not read yet
  int settime_flags = 0;   // timerfd
  uint64_t left[2] = {};   // timerfd: seconds and nanoseconds until the next one
  uint64_t interval[2] = {};  // and between them
  uint64_t features = 0;      // userfaultfd
};

// Whether two descriptors are of one open file: 0. 1 and 2 order those that are not; kcmp(2), or
// -errno where the kernel has none or does not let us.
long CompareFiles(int a, int b);

Failure ReadFacts(int fdinfo, int fd, ObjectFacts& facts);

// Refuses a userfaultfd that is to be told of forks: clone(2) would wait until somebody has read of
// it (dup_userfaultfd_complete), and all are parked.
Failure RefuseUserfaults(const Table& table, int fdinfo);

struct Object {
  Entry* entry;
  ObjectFacts facts;  // of an eventfd: its id tells which descriptors are one
};

// The descriptors of some kinds, those of one object next to each other, each object's by number.
class Objects {
 public:
  // 64 kinds at most: bit 1 << kind of wanted.
  Failure Read(const Table& table, int fdinfo, unsigned wanted, Arena& arena, Deadline& deadline);

  const Object* begin() const { return list_; }
  const Object* end() const { return list_ + size_; }
  // One behind the last of the object's descriptors.
  const Object* EndOf(const Object* first) const;

 private:
  bool Before(const Object& a, const Object& b) const;
  bool Same(const Object& a, const Object& b) const;
  bool compares_ = false;  // the kernel has kcmp(2), and lets us
  Object* list_ = nullptr;
  size_t size_ = 0;
};

}  // namespace livefork
