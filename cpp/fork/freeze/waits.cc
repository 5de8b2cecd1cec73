#include "fork/freeze/waits.h"

#include <poll.h>

#include "arch.h"
#include "fork/base/peek.h"

namespace livefork {
namespace {

// How a call uses the descriptor in its first argument.
enum class Use { kNone, kRead, kWrite, kBoth, kControl, kQueue };

Use UseOf(long number) {
  switch (number) {
    case SYS_read:
    case SYS_readv:
    case SYS_pread64:
    case SYS_preadv:
    case SYS_preadv2:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_recvmmsg:
    case SYS_accept:
    case SYS_accept4:
    case SYS_splice:
    case SYS_tee:
      return Use::kRead;
    case SYS_write:
    case SYS_writev:
    case SYS_pwrite64:
    case SYS_pwritev:
    case SYS_pwritev2:
    case SYS_sendto:
    case SYS_sendmsg:
    case SYS_sendmmsg:
    case SYS_sendfile:
      return Use::kWrite;
    case SYS_connect:
      return Use::kBoth;
    case SYS_mq_timedreceive:
      return Use::kQueue;
    case SYS_ioctl:
      return Use::kControl;
    default:
      return Use::kNone;
  }
}

// The argument that names a second descriptor, which the call reads or writes to.
struct Second {
  int argument;
  Use use;
};
Second SecondOf(long number) {
  if (number == SYS_splice || number == SYS_tee) {
    return {number == SYS_splice ? 2 : 1, Use::kWrite};
  }
  if (number == SYS_sendfile) return {1, Use::kRead};
  return {-1, Use::kNone};
}

bool IsPoll(long number) {
#ifdef SYS_poll
  if (number == SYS_poll) return true;
#endif
  return number == SYS_ppoll;
}

bool IsSelect(long number) {
#ifdef SYS_select
  if (number == SYS_select) return true;
#endif
  return number == SYS_pselect6;
}

// System V messages and semaphores have no descriptor that could be severed.
bool TakesByItself(long number) {
  return number == SYS_msgrcv || number == SYS_semop || number == SYS_semtimedop;
}

class Lister {
 public:
  Lister(const ProcFiles& files, Arena& arena, List<Wait>& waits)
      : files_(files), arena_(arena), waits_(waits) {}

  Failure Look(const Call& call) {
    if (TakesByItself(call.number)) {
      return {ENOTSUP, "fork",
              "a thread waits for a System V message or semaphore, which its copy would take"};
    }
    if (IsPoll(call.number)) return Poll(call.arguments[0], call.arguments[1]);
    if (IsSelect(call.number)) return Select(call.arguments);
    Failure failure = Add(call.arguments[0], UseOf(call.number));
    const Second second = SecondOf(call.number);
    if (failure || second.argument < 0) return failure;
    return Add(call.arguments[second.argument], second.use);
  }

 private:
  Failure Add(long fd, Use use) {
    if (use == Use::kNone) return {};
    const bool both = use == Use::kBoth;
    return Add({static_cast<int>(fd), use == Use::kRead || both, use == Use::kWrite || both,
                use == Use::kControl, use == Use::kQueue});
  }

  Failure Add(const Wait& wait) {
    if (wait.fd < 0) return {};
    Wait* kept = waits_.Add(arena_);
    if (kept == nullptr) return kArenaFull;
    *kept = wait;
    return {};
  }

  static constexpr size_t kPiece = 1024;

  Failure Poll(long address, long count) {
    pollfd piece[kPiece / sizeof(pollfd)];
    auto at = static_cast<uintptr_t>(address);
    for (auto left = static_cast<size_t>(count); left > 0;) {
      const size_t wanted = left < kPiece / sizeof(pollfd) ? left : kPiece / sizeof(pollfd);
      const size_t got = Peek(files_, at, piece, wanted * sizeof(pollfd)) / sizeof(pollfd);
      if (got == 0) return {};
      for (size_t i = 0; i < got; ++i) {
        // Asking for POLLERR alone takes nothing; the kernel reports it in any case.
        const bool reads = (piece[i].events & (POLLIN | POLLPRI | POLLRDNORM | POLLRDBAND)) != 0;
        const bool writes = (piece[i].events & (POLLOUT | POLLWRNORM | POLLWRBAND)) != 0;
        if (!reads && !writes) continue;
        if (Failure failure = Add({piece[i].fd, reads, writes, false, false})) return failure;
      }
      at += got * sizeof(pollfd);
      left -= got;
    }
    return {};
  }

  // Three sets of `count` bits: for reading, writing and exceptions.
  Failure Select(const long* arguments) {
    const long count = arguments[0];
    for (int set = 1; set <= 3; ++set) {
      auto at = static_cast<uintptr_t>(arguments[set]);
      if (at == 0) continue;
      unsigned char piece[kPiece] = {};
      for (long first = 0; first < count;) {
        const size_t bytes = static_cast<size_t>(count - first + 7) / 8;
        const auto n = static_cast<long>(Peek(files_, at, piece, bytes < kPiece ? bytes : kPiece));
        if (n == 0) break;
        for (long bit = 0; bit < n * 8 && first + bit < count; ++bit) {
          if ((piece[bit / 8] >> (bit % 8) & 1) == 0) continue;
          const int fd = static_cast<int>(first + bit);
          if (Failure failure = Add({fd, set != 2, set == 2, false, false})) return failure;
        }
        at += static_cast<uintptr_t>(n);
        first += n * 8;
      }
    }
    return {};
  }

  const ProcFiles& files_;
  Arena& arena_;
  List<Wait>& waits_;
};

}  // namespace

Failure ListWaits(const Park& park, const ProcFiles& files, Arena& arena, List<Wait>& waits) {
  Lister lister(files, arena, waits);
  Failure failure;
  park.Each([&](const Thread& thread) {
    if (!failure) failure = lister.Look(thread.call);
  });
  return failure;
}

bool AnyUnclear(const Park& park) {
  bool any = false;
  park.Each([&](const Thread& t) { any = any || t.stop == Stop::kRunning || t.call.number < 0; });
  return any;
}

}  // namespace livefork
