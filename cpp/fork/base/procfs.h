// Reads /proc with system calls and the caller's memory only.
#pragma once

#include <fcntl.h>

#include <cstddef>
#include <cstdint>

#include "arch.h"

namespace livefork {

// Closes its descriptor at the end of the scope.
class Fd {
 public:
  Fd() = default;
  explicit Fd(long fd) : fd_(static_cast<int>(fd)) {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { Close(); }

  // Takes over the result of a raw call; get() also returns an -errno.
  long Reset(long fd) {
    Close();
    fd_ = static_cast<int>(fd);
    return fd;
  }
  void Close() {
    if (fd_ >= 0) Sys(SYS_close, fd_);
    fd_ = -1;
  }
  int get() const { return fd_; }

 private:
  int fd_ = -1;
};

inline long Open(const char* path, int flags = O_RDONLY) {
  return Sys(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0);
}

// The files that one fork reads. All are opened before the threads are parked, with one descriptor
// in reserve, so that a full descriptor table is found before anything has happened.
struct ProcFiles {
  Fd task, descriptors, fdinfo, maps;
  Fd scratch_read, scratch_write;  // a pipe, to look into other pipes with tee(2)
  Fd spare;                        // reserves a number for opening one file at a time

  // Returns 0, or -errno and the call's name.
  long Open(const char*& syscall);
  bool Owns(int fd) const;
  void Close();
};

struct Name {
  char text[16];
};
// A number as a file name of /proc.
Name Decimal(unsigned value);

// Opens a numbered file in a directory of /proc for reading: a descriptor, or -errno.
long OpenNumbered(int directory, int number);

// "TID/name" below /proc/self/task.
struct TaskPath {
  char text[48];
  TaskPath(int tid, const char* name);
};

// Reads such a file into text and adds '\0'. Returns its size; 0 or -errno if there is nothing.
long ReadTask(int task, int tid, const char* name, char* text, size_t size);

// Moves text past blanks and a number in the given base; returns 0 if there is no number.
uint64_t Number(const char*& text, int base);

// If text starts with prefix, moves it past that.
bool Skip(const char*& text, const char* prefix);

// Calls f for each number in a directory of /proc (descriptors, threads). f returns false to stop;
// the result is 0 or -errno.
template <typename F>
long EachNumber(int directory, F f) {
  struct Entry {  // struct linux_dirent64, getdents(2)
    uint64_t ino;
    int64_t off;
    uint16_t length;
    uint8_t type;
    char name[1];
  };
  alignas(Entry) char buffer[8192] = {};
  if (long r = Sys(SYS_lseek, directory, 0, 0); r < 0) return r;
  for (;;) {
    long n = Sys(SYS_getdents64, directory, buffer, sizeof buffer);
    if (n <= 0) return n;
    for (long at = 0; at < n;) {
      auto* entry = reinterpret_cast<Entry*>(buffer + at);
      at += entry->length;
      const char* name = entry->name;
      if (name[0] < '0' || name[0] > '9') continue;
      if (!f(static_cast<int>(Number(name, 10)))) return 0;
    }
  }
}

// The lines of an open file, one at a time.
class Lines {
 public:
  explicit Lines(int fd) : fd_(fd) {}
  // The next line without its newline, or nullptr at the end (see error()). A line longer than the
  // buffer is truncated; all fields that are used come earlier in the line.
  const char* Next();
  long error() const { return error_; }

 private:
  bool Fill();
  int fd_;
  long error_ = 0;
  size_t begin_ = 0, end_ = 0;
  bool cut_ = false;
  char buffer_[16384];
};

}  // namespace livefork
