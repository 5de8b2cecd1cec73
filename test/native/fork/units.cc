// fork-host units: the parts of cpp/fork that need no fork, so that they can be proved under an
// emulator too. TAP on standard output.
#include "units.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "fork/base/procfs.h"
#include "fork/freeze/history.h"
#include "fork/park/park.h"
#include "numbers.h"
#include "registers.h"
#include "sleeps.h"

using livefork::Sys;

namespace {

int failed = 0;
int number = 0;

void Test(bool passed, const char* name) {
  printf("%sok %d - %s\n", passed ? "" : "not ", ++number, name);
  if (!passed) ++failed;
}

template <typename F>
bool Eventually(F condition) {
  for (int i = 0; i < 60000; ++i) {
    if (condition()) return true;
    usleep(1000);
  }
  return false;
}

bool SamePreserved(const uint64_t* a, const uint64_t* b) {
  return memcmp(a, b, kPreserved * sizeof *a) == 0;
}

// Deeper in the stack other values stand in the registers, and jump_context must not keep them.
[[gnu::noinline]] void JumpBack(void* context) {
  uint64_t other[kPreserved], out[kPreserved];
  for (size_t i = 0; i < kPreserved; ++i) other[i] = ~i;
  call_with_registers(
      other, out, [](void* c) { livefork_jump_context(static_cast<const livefork::Context*>(c)); },
      context);
}

void SaveAndComeBack(void* times) {
  livefork::Context context;
  const int result = livefork_save_context(&context);
  ++*static_cast<volatile int*>(times);
  if (result == 0) JumpBack(&context);
}

void ContextKeepsRegisters() {
  uint64_t in[kPreserved], out[kPreserved];
  for (size_t i = 0; i < kPreserved; ++i) in[i] = 0x0123456789abcdef * (i + 1);
  int times = 0;
  call_with_registers(in, out, SaveAndComeBack, &times);
  Test(times == 2, "save_context returns a second time");
  Test(SamePreserved(in, out), "every register that a call preserves comes back");
}

// A /proc/self/task of chosen threads: an emulator has threads of its own in the real one.
class TaskList {
 public:
  TaskList() {
    if (mkdtemp(folder_) == nullptr) abort();
    fd_ = open(folder_, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  }
  ~TaskList() {
    for (int i = 0; i < count_; ++i) unlinkat(fd_, livefork::Decimal(tids_[i]).text, AT_REMOVEDIR);
    close(fd_);
    rmdir(folder_);
  }
  void Add(int tid) {
    tids_[count_++] = static_cast<unsigned>(tid);
    mkdirat(fd_, livefork::Decimal(static_cast<unsigned>(tid)).text, 0700);
  }
  int fd() const { return fd_; }

 private:
  char folder_[32] = "/tmp/fork-host-XXXXXX";
  int fd_ = -1;
  int count_ = 0;
  unsigned tids_[8];
};

struct Spinner {
  std::atomic<int> tid{0};
  int stop = 0;
  uint64_t count = 0;
  Registers in, out;
  uint64_t Count() const { return reinterpret_cast<const volatile uint64_t&>(count); }
};
void* Spin(void* arg) {
  auto& s = *static_cast<Spinner*>(arg);
  s.tid = static_cast<int>(Sys(SYS_gettid));
  spin_with_registers(&s.in, &s.out, &s.stop, &s.count);
  return nullptr;
}

struct Waiter {
  std::atomic<int> tid{0};
  int ends[2];
};
void* Wait(void* arg) {
  auto& w = *static_cast<Waiter*>(arg);
  w.tid = static_cast<int>(Sys(SYS_gettid));
  char byte = 0;
  const bool read_one = read(w.ends[0], &byte, 1) == 1;
  return read_one ? arg : nullptr;
}

livefork::Arena arena;

// What ParkThreads knows of two threads, one that computes and one in a system call.
void CheckParked(const livefork::Park& park, const Spinner& spinner, const Waiter& waiter) {
  bool spinner_waits = true, waiter_waits = false;
  park.Each([&](const livefork::Thread& thread) {
    if (thread.tid == spinner.tid) spinner_waits = thread.stop != livefork::Stop::kRunning;
    if (thread.tid == waiter.tid) waiter_waits = thread.stop != livefork::Stop::kRunning;
  });
  Test(!spinner_waits, "the one that computed is known as such");
  Test(waiter_waits, "the one in read(2) is known as waiting");
  const uint64_t before = spinner.Count();
  usleep(50000);
  Test(spinner.Count() == before, "a parked thread stands still");
}

void ParkAndRelease() {
  Spinner spinner;
  spinner.in.Fill(42);
  memset(static_cast<void*>(&spinner.out), 0, sizeof spinner.out);
  Waiter waiter;
  if (pipe(waiter.ends) != 0) abort();
  pthread_t threads[2];
  pthread_create(&threads[0], nullptr, Spin, &spinner);
  pthread_create(&threads[1], nullptr, Wait, &waiter);
  Eventually([&] { return spinner.Count() > 0 && waiter.tid != 0; });
  usleep(100000);
  TaskList tasks;
  tasks.Add(spinner.tid);
  tasks.Add(waiter.tid);
  livefork::Park park;
  for (int i = 0; i < 20; ++i) {
    livefork::SignalsBlocked blocked;
    const livefork::Failure failure =
        ParkThreads(tasks.fd(), arena, livefork::MonotonicNs() + 20000000000, park);
    if (i == 0) Test(!failure && park.count == 2, "two threads park");
    if (failure) return;
    if (i == 0) CheckParked(park, spinner, waiter);
    livefork::ReleaseThreads();
    arena.Clear();
  }
  const uint64_t before = spinner.Count();
  Test(Eventually([&] { return spinner.Count() > before; }), "a released thread goes on");
  reinterpret_cast<volatile int&>(spinner.stop) = 1;
  void* result = nullptr;
  Test(write(waiter.ends[1], "x", 1) == 1 && pthread_join(threads[1], &result) == 0 &&
           result == &waiter,
       "read(2) was made again, and libc ends the thread");
  pthread_join(threads[0], nullptr);
  Test(memcmp(spinner.in.general, spinner.out.general, sizeof spinner.in.general) == 0,
       "twenty parks kept the general registers");
  Test(memcmp(spinner.in.vectors, spinner.out.vectors, sizeof spinner.in.vectors) == 0,
       "and the vector registers");
}

// An attempt to fork takes seconds on a machine that is busy enough.
void SlowAttemptsSettle() {
  const uint64_t deadline = livefork::MonotonicNs() + 20000000000;
  auto attempt = [&] {
    livefork::Doubts doubts;
    if (doubts.Add(42, arena)) abort();
    const livefork::Failure failure = doubts.Settle(deadline);
    arena.Clear();
    return failure;
  };
  const bool doubted = attempt().passing;
  usleep(1100000);
  Test(doubted && !attempt(), "a doubt is settled at the second attempt, a second later");
}

thread_local int own = 0;

struct Reborn {
  livefork::Thread thread{};
  std::atomic<bool> described{false}, back{false};
  std::atomic<bool> stop{false};
  bool same_storage = false, same_registers = false;
  int tid = 0;
};

void DieAndComeBack(void* arg) {
  auto& r = *static_cast<Reborn*>(arg);
  if (livefork_save_context(&r.thread.context) == 0) {
    r.described = true;
    Sys(SYS_exit, 0);
  }
}

void* LiveTwice(void* arg) {
  auto& r = *static_cast<Reborn*>(arg);
  own = 17;
  const pthread_t self = pthread_self();
  r.thread.pointer = livefork::ThreadPointer();
  r.thread.tid = static_cast<int>(Sys(SYS_gettid));
  uint64_t in[kPreserved], out[kPreserved];
  for (size_t i = 0; i < kPreserved; ++i) in[i] = 0xfedcba9876543210 ^ i;
  call_with_registers(in, out, DieAndComeBack, &r);
  r.same_registers = SamePreserved(in, out);
  r.same_storage = own == 17 && pthread_equal(self, pthread_self()) != 0;
  r.tid = static_cast<int>(Sys(SYS_gettid));
  r.back = true;
  while (!r.stop) usleep(1000);
  Sys(SYS_exit, 0);
  return nullptr;
}

void RebuildOne() {
  static Reborn r;
  static char stack[16384];
  static int cleared = 0, told = 0;
  pthread_t thread;
  pthread_create(&thread, nullptr, LiveTwice, &r);
  const int pid = getpid();
  Eventually([] { return r.described.load(); });
  Test(Eventually([&] { return Sys(SYS_tgkill, pid, r.thread.tid, 0) == -ESRCH; }),
       "a thread ends in the kernel, its stack and storage stay");
  constexpr unsigned long kFlags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
                                   CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS |
                                   CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
  cleared = 1;
  const long tid = livefork_clone_thread(
      kFlags, stack + sizeof stack, &told, &cleared, r.thread.pointer,
      [](void* context) { livefork_jump_context(static_cast<livefork::Context*>(context)); },
      &r.thread.context);
  Test(tid > 0 && told == tid, "clone(2) makes a thread and tells its id");
  Test(Eventually([] { return r.back.load(); }) && r.tid == tid,
       "it goes on where the old one was");
  Test(r.same_storage, "with the same thread-local storage");
  Test(r.same_registers, "and the same registers");
  r.stop = true;
  Test(Eventually([] { return reinterpret_cast<volatile int&>(cleared) == 0; }),
       "the kernel clears its id at the end");
}

}  // namespace

int RunUnits() {
  if (!arena.Reserve()) return 1;
  CheckNumbers(Test);
  ContextKeepsRegisters();
  ParkAndRelease();
  CheckSleeps(Test, arena);
  SlowAttemptsSettle();
  RebuildOne();
  printf("1..%d\n", number);
  return failed == 0 ? 0 : 1;
}
