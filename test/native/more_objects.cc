// Further kernel objects, and what is rare about the usual ones: see objects.h.
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/msg.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <thread>

#include "objects.h"

namespace objects {

namespace {

int64_t Result(int64_t value) {
  return value == -1 ? -errno : value;
}

}  // namespace

// epollAddFor(epoll, fd, events): the data is the number.
int64_t EpollAddFor(const int64_t* a) {
  epoll_event event{};
  event.events = static_cast<uint32_t>(a[2]);
  event.data.u64 = static_cast<uint64_t>(a[1]);
  return Result(epoll_ctl(static_cast<int>(a[0]), EPOLL_CTL_ADD, static_cast<int>(a[1]), &event));
}

// socketpair(type): two ends as first * 65536 + second.
int64_t Socketpair(const int64_t* a) {
  int ends[2] = {-1, -1};
  if (socketpair(AF_UNIX, static_cast<int>(a[0]) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    return -errno;
  }
  return int64_t{ends[0]} * 65536 + ends[1];
}

// sendDescriptor(socket, fd): with one byte.
int64_t SendDescriptor(const int64_t* a) {
  char byte = 'd';
  iovec part{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  const int fd = static_cast<int>(a[1]);
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  return Result(sendmsg(static_cast<int>(a[0]), &message, 0));
}

int64_t Shutdown(const int64_t* a) {
  return Result(shutdown(static_cast<int>(a[0]), static_cast<int>(a[1])));
}

// pipeSize(fd, size): sets it, if size is not 0, and returns it.
int64_t PipeSize(const int64_t* a) {
  const int fd = static_cast<int>(a[0]);
  if (a[1] != 0 && fcntl(fd, F_SETPIPE_SZ, static_cast<int>(a[1])) < 0) return -errno;
  return Result(fcntl(fd, F_GETPIPE_SZ));
}

// flags(fd): F_GETFL * 2 + whether it is close-on-exec.
int64_t Flags(const int64_t* a) {
  const int fd = static_cast<int>(a[0]);
  const int status = fcntl(fd, F_GETFL), closes = fcntl(fd, F_GETFD);
  return status < 0 ? -errno : int64_t{status} * 2 + (closes & FD_CLOEXEC);
}

// timerfdAt(clock, ms from now, interval ms): set by the clock's time, not by what is left.
int64_t TimerfdAt(const int64_t* a) {
  const int fd = timerfd_create(static_cast<int>(a[0]), TFD_CLOEXEC | TFD_NONBLOCK);
  timespec now{};
  clock_gettime(static_cast<int>(a[0]), &now);
  const int64_t at = now.tv_sec * 1000000000 + now.tv_nsec + a[1] * 1000000;
  itimerspec spec{};
  spec.it_value = {static_cast<time_t>(at / 1000000000), static_cast<long>(at % 1000000000)};
  spec.it_interval = {static_cast<time_t>(a[2] / 1000), static_cast<long>(a[2] % 1000 * 1000000)};
  if (fd >= 0 && timerfd_settime(fd, TFD_TIMER_ABSTIME, &spec, nullptr) != 0) return -errno;
  return Result(fd);
}

// pollNow(fd, events): what of them is so at once.
int64_t PollNow(const int64_t* a) {
  pollfd look{static_cast<int>(a[0]), static_cast<short>(a[1]), 0};
  const int n = poll(&look, 1, 0);
  return n < 0 ? -errno : look.revents;
}

// userfault(features): a userfaultfd.
int64_t Userfault(const int64_t* a) {
  const auto fd = static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK));
  if (fd < 0) return -errno;
  uffdio_api api{};
  api.api = UFFD_API;
  api.features = static_cast<uint64_t>(a[0]);
  if (ioctl(fd, UFFDIO_API, &api) != 0) {
    const int error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

namespace {
std::atomic<int> message_taken{0};
}

// queueWait(): a thread waits for a System V message; the queue's id.
int64_t QueueWait(const int64_t*) {
  const int queue = msgget(IPC_PRIVATE, 0600);
  if (queue < 0) return -errno;
  std::thread([queue] {
    struct {
      long type;
      char text[8];
    } message{};
    while (msgrcv(queue, &message, sizeof message.text, 0, 0) < 0 && errno == EINTR) {
    }
    message_taken = 1;
  }).detach();
  return queue;
}

// queueEnd(id): the thread's wait ends.
int64_t QueueEnd(const int64_t* a) {
  const int64_t result = Result(msgctl(static_cast<int>(a[0]), IPC_RMID, nullptr));
  while (message_taken == 0) usleep(1000);
  return result;
}

}  // namespace objects
