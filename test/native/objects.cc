// Kernel objects that Node has no call for, so that the tests can see what becomes of them in a
// child of fork().
#include "objects.h"

#include <fcntl.h>
#include <linux/io_uring.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>

namespace objects {

namespace {

int64_t Result(int64_t value) {
  return value == -1 ? -errno : value;
}

// One ring as libuv makes it: 256 entries, two mappings, an identity table.
struct Ring {
  int fd = -1;
  io_uring_params params{};
  char* memory = nullptr;
  io_uring_sqe* entries = nullptr;

  std::atomic<uint32_t>& Word(uint32_t offset) {
    return *reinterpret_cast<std::atomic<uint32_t>*>(memory + offset);
  }
};
Ring ring;

}  // namespace

int64_t Eventfd(const int64_t* a) {
  return Result(eventfd(static_cast<unsigned>(a[0]),
                        EFD_CLOEXEC | EFD_NONBLOCK | (a[1] != 0 ? EFD_SEMAPHORE : 0)));
}

// timerfd(first ms, interval ms)
int64_t Timerfd(const int64_t* a) {
  int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  itimerspec spec{};
  spec.it_value = {a[0] / 1000, a[0] % 1000 * 1000000};
  spec.it_interval = {a[1] / 1000, a[1] % 1000 * 1000000};
  if (fd >= 0 && timerfd_settime(fd, 0, &spec, nullptr) != 0) return -errno;
  return Result(fd);
}

// itimer(interval ms): SIGALRM again and again; 0 ends it.
int64_t Itimer(const int64_t* a) {
  const timeval interval{a[0] / 1000, a[0] % 1000 * 1000};
  const itimerval spec{interval, interval};
  return Result(setitimer(ITIMER_REAL, &spec, nullptr));
}

int64_t Signalfd(const int64_t* a) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, static_cast<int>(a[0]));
  return Result(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

// A pipe's two ends as read * 65536 + write.
int64_t Pipe(const int64_t* a) {
  int ends[2] = {-1, -1};
  if (pipe2(ends, static_cast<int>(a[0])) != 0) return -errno;
  return int64_t{ends[0]} * 65536 + ends[1];
}

int64_t DupCloexec(const int64_t* a) {
  return Result(fcntl(static_cast<int>(a[0]), F_DUPFD_CLOEXEC, 0));
}

int64_t Epoll(const int64_t* a) {
  return Result(epoll_create1(static_cast<int>(a[0])));
}

int64_t EpollAdd(const int64_t* a) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = static_cast<uint64_t>(a[2]);
  return Result(epoll_ctl(static_cast<int>(a[0]), EPOLL_CTL_ADD, static_cast<int>(a[1]), &event));
}

// The data of one ready event, or -EAGAIN.
int64_t EpollWait(const int64_t* a) {
  epoll_event event{};
  int n = epoll_wait(static_cast<int>(a[0]), &event, 1, static_cast<int>(a[1]));
  if (n == 0) return -EAGAIN;
  return n < 0 ? -errno : static_cast<int64_t>(event.data.u64);
}

int64_t RingOpen(const int64_t* a) {
  const auto size = static_cast<unsigned>(a[0]);
  ring = Ring{};
  ring.fd = static_cast<int>(syscall(SYS_io_uring_setup, size, &ring.params));
  if (ring.fd < 0) return -errno;
  const auto& p = ring.params;
  size_t bytes = p.sq_off.array + p.sq_entries * sizeof(uint32_t);
  size_t completions = p.cq_off.cqes + p.cq_entries * sizeof(io_uring_cqe);
  if (completions > bytes) bytes = completions;
  const int shared = MAP_SHARED | MAP_POPULATE;
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, shared, ring.fd, IORING_OFF_SQ_RING);
  void* entries = mmap(nullptr, p.sq_entries * sizeof(io_uring_sqe), PROT_READ | PROT_WRITE, shared,
                       ring.fd, IORING_OFF_SQES);
  if (memory == MAP_FAILED || entries == MAP_FAILED) return -errno;
  ring.memory = static_cast<char*>(memory);
  ring.entries = static_cast<io_uring_sqe*>(entries);
  auto* table = reinterpret_cast<uint32_t*>(ring.memory + p.sq_off.array);
  for (uint32_t i = 0; i < p.sq_entries; ++i) table[i] = i;
  return ring.fd;
}

// Queues a request that does nothing and carries a[0]; returns its slot.
int64_t RingPush(const int64_t* a) {
  auto& tail = ring.Word(ring.params.sq_off.tail);
  const uint32_t slot = tail.load() & (ring.params.sq_entries - 1);
  memset(&ring.entries[slot], 0, sizeof(io_uring_sqe));
  ring.entries[slot].opcode = IORING_OP_NOP;
  ring.entries[slot].user_data = static_cast<uint64_t>(a[0]);
  tail.fetch_add(1);
  return slot;
}

// Submits what is queued and waits for it; returns how many.
int64_t RingEnter(const int64_t*) {
  const uint32_t n =
      ring.Word(ring.params.sq_off.tail).load() - ring.Word(ring.params.sq_off.head).load();
  return Result(syscall(SYS_io_uring_enter, ring.fd, n, n, IORING_ENTER_GETEVENTS, nullptr, 0));
}

// ringTimeout(seconds): submits a request that is in flight until then; returns how many.
int64_t RingTimeout(const int64_t* a) {
  static int64_t time[2];  // struct __kernel_timespec
  time[0] = a[0];
  auto& tail = ring.Word(ring.params.sq_off.tail);
  io_uring_sqe& entry = ring.entries[tail.load() & (ring.params.sq_entries - 1)];
  memset(&entry, 0, sizeof entry);
  entry.opcode = IORING_OP_TIMEOUT;
  entry.addr = reinterpret_cast<uint64_t>(time);
  entry.len = 1;
  tail.fetch_add(1);
  return Result(syscall(SYS_io_uring_enter, ring.fd, 1, 0, 0, nullptr, 0));
}

// ringWord(which): a counter. 0 and 1: head and tail of the requests; 2 and 3: of the completions.
int64_t RingWord(const int64_t* a) {
  const auto& p = ring.params;
  const uint32_t offsets[] = {p.sq_off.head, p.sq_off.tail, p.cq_off.head, p.cq_off.tail};
  return ring.Word(offsets[a[0]]).load();
}

// Takes one completion: what its request carried, or -EAGAIN.
int64_t RingTake(const int64_t*) {
  auto& head = ring.Word(ring.params.cq_off.head);
  if (head.load() == ring.Word(ring.params.cq_off.tail).load()) return -EAGAIN;
  auto* completions = reinterpret_cast<io_uring_cqe*>(ring.memory + ring.params.cq_off.cqes);
  const uint64_t data = completions[head.load() & (ring.params.cq_entries - 1)].user_data;
  head.fetch_add(1);
  return static_cast<int64_t>(data);
}

}  // namespace objects
