#include "fork/base/procfs.h"

#include <cstring>
#include <initializer_list>

namespace livefork {

long ProcFiles::Open(const char*& syscall) {
  struct Source {
    Fd& fd;
    const char* path;
  };
  syscall = "open";
  for (const Source& s : {Source{task, "/proc/self/task"}, Source{descriptors, "/proc/self/fd"},
                          Source{fdinfo, "/proc/self/fdinfo"}, Source{maps, "/proc/self/maps"},
                          Source{spare, "/proc/self/maps"}}) {
    if (long r = s.fd.Reset(livefork::Open(s.path)); r < 0) return r;
  }
  syscall = "pipe2";
  int ends[2] = {-1, -1};
  if (long r = Sys(SYS_pipe2, ends, O_CLOEXEC | O_NONBLOCK); r < 0) return r;
  scratch_read.Reset(ends[0]);
  scratch_write.Reset(ends[1]);
  return 0;
}

bool ProcFiles::Owns(int fd) const {
  for (const Fd* own :
       {&task, &descriptors, &fdinfo, &maps, &scratch_read, &scratch_write, &spare}) {
    if (own->get() == fd) return true;
  }
  return false;
}

void ProcFiles::Close() {
  for (Fd* own : {&task, &descriptors, &fdinfo, &maps, &scratch_read, &scratch_write, &spare}) {
    own->Close();
  }
}

Name Decimal(unsigned value) {
  char digits[16];
  int n = 0;
  do {
    digits[n++] = static_cast<char>('0' + value % 10);
    value /= 10;
  } while (value != 0);
  Name name;
  int i = 0;
  while (n > 0) name.text[i++] = digits[--n];
  name.text[i] = '\0';
  return name;
}

long OpenNumbered(int directory, int number) {
  const Name name = Decimal(static_cast<unsigned>(number));
  return Sys(SYS_openat, directory, name.text, O_RDONLY | O_CLOEXEC, 0);
}

TaskPath::TaskPath(int tid, const char* name) {
  const Name digits = Decimal(static_cast<unsigned>(tid));
  const size_t n = strlen(digits.text);
  memcpy(text, digits.text, n);
  text[n] = '/';
  memcpy(text + n + 1, name, strlen(name) + 1);
}

long ReadTask(int task, int tid, const char* name, char* text, size_t size) {
  Fd fd(Sys(SYS_openat, task, TaskPath(tid, name).text, O_RDONLY | O_CLOEXEC, 0));
  const long n = fd.get() < 0 ? fd.get() : Sys(SYS_read, fd.get(), text, size - 1);
  text[n < 0 ? 0 : n] = '\0';
  return n;
}

uint64_t Number(const char*& text, int base) {
  while (*text == ' ' || *text == '\t') ++text;
  if (base == 16 && text[0] == '0' && text[1] == 'x') text += 2;
  uint64_t value = 0;
  for (;; ++text) {
    unsigned digit;
    if (*text >= '0' && *text <= '9') {
      digit = static_cast<unsigned>(*text - '0');
    } else if (base == 16 && *text >= 'a' && *text <= 'f') {
      digit = static_cast<unsigned>(*text - 'a' + 10);
    } else {
      return value;
    }
    value = value * static_cast<unsigned>(base) + digit;
  }
}

bool Skip(const char*& text, const char* prefix) {
  const char* at = text;
  for (; *prefix != '\0'; ++prefix, ++at) {
    if (*at != *prefix) return false;
  }
  text = at;
  return true;
}

bool Lines::Fill() {
  if (begin_ > 0) {
    memmove(buffer_, buffer_ + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  long n = Sys(SYS_read, fd_, buffer_ + end_, sizeof buffer_ - 1 - end_);
  if (n <= 0) {
    error_ = n;
    return false;
  }
  end_ += static_cast<size_t>(n);
  return true;
}

const char* Lines::Next() {
  for (;;) {
    auto* newline = static_cast<char*>(memchr(buffer_ + begin_, '\n', end_ - begin_));
    if (newline != nullptr) {
      const char* line = buffer_ + begin_;
      *newline = '\0';
      begin_ = static_cast<size_t>(newline + 1 - buffer_);
      if (!cut_) return line;
      cut_ = false;  // that was the rest of a line that was already returned
      continue;
    }
    bool full = end_ - begin_ == sizeof buffer_ - 1;
    if (full) {
      buffer_[sizeof buffer_ - 1] = '\0';
      begin_ = end_ = 0;
      if (cut_) continue;
      cut_ = true;
      return buffer_;
    }
    if (!Fill()) return nullptr;
  }
}

}  // namespace livefork
