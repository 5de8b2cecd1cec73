// The child's report to its parent before both continue: that it runs, or the reason of its
// failure.
#pragma once

#include <linux/futex.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <atomic>

#include "fork/base/failure.h"
#include "fork/park/park.h"

namespace livefork {

// A page that both share until then.
class Report {
 public:
  Report() = default;
  Report(const Report&) = delete;
  Report& operator=(const Report&) = delete;
  ~Report() {
    if (page_ != nullptr) Sys(SYS_munmap, page_, sizeof(Page));
  }

  Failure Map() {
    long p = Sys(SYS_mmap, nullptr, sizeof(Page), PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p < 0 && p > -4096) return Check(p, "mmap");
    page_ = reinterpret_cast<Page*>(p);
    return {};
  }

  // In the parent, right after the clone: whether the child may live.
  void Admit(bool admitted) {
    page_->verdict.store(admitted ? kAdmitted : kRejected, std::memory_order_release);
    Sys(SYS_futex, &page_->verdict, FUTEX_WAKE, 1);
  }

  // In the child. A parent that is stopped is waited for, one that has ended is not. In a namespace
  // of its own the child does not see its parent.
  bool AwaitAdmission(long parent, uint64_t deadline) {
    uint32_t verdict;
    while ((verdict = page_->verdict.load(std::memory_order_acquire)) == 0) {
      timespec pause{0, 5000000};
      if (Sys(SYS_futex, &page_->verdict, FUTEX_WAIT, 0, &pause) != -ETIMEDOUT) continue;
      const long now = Sys(SYS_getppid);
      if (now != parent && (now != 0 || MonotonicNs() > deadline)) return false;
    }
    return verdict == kAdmitted;
  }

  // In the child; the strings are constants, at the same address in both processes.
  void Send(Failure failure) {
    page_->failure = failure;
    page_->sent.store(1, std::memory_order_release);
    Sys(SYS_futex, &page_->sent, FUTEX_WAKE, 1);
  }

  // In the parent. A child that ends without a report was killed by another process.
  Failure Receive(int pid, uint64_t deadline) {
    while (page_->sent.load(std::memory_order_acquire) == 0) {
      timespec pause{0, 5000000};
      if (Sys(SYS_futex, &page_->sent, FUTEX_WAIT, 0, &pause) != -ETIMEDOUT) continue;
      siginfo_t info{};
      long r = Sys(SYS_waitid, P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT, nullptr);
      if (page_->sent.load(std::memory_order_acquire) != 0) break;
      if (r == -ECHILD || info.si_pid == pid) {
        return {EAGAIN, "fork", "the child was killed before it was running"};
      }
      if (MonotonicNs() > deadline) return {EAGAIN, "fork", "the child was not running in time"};
    }
    return page_->failure;
  }

 private:
  enum : uint32_t { kAdmitted = 1, kRejected };
  struct Page {
    std::atomic<uint32_t> verdict;
    std::atomic<uint32_t> sent;
    Failure failure;
  };
  Page* page_ = nullptr;
};

}  // namespace livefork
