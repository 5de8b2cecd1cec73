#include "wire.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <initializer_list>

namespace wire {
namespace {

int socket_fd = -1, epoll_fd = -1, wake_fd = -1;
pthread_t thread;
std::atomic<int64_t> received{0}, missing{0}, cut{0};
std::atomic<bool> finished{false}, ended{false};
uint64_t expected;

void Take(uint64_t number) {
  if (number == kLast) {
    finished = true;
  } else {
    ++received;
    if (number != expected) missing += static_cast<int64_t>(number - expected);
    expected = number + 1;
  }
  // Eight bytes always fit: the other side reads them all the time.
  send(socket_fd, &number, sizeof number, MSG_NOSIGNAL);
}

void Read() {
  static char buffer[4096];
  static size_t held = 0;
  const ssize_t n = recv(socket_fd, buffer + held, sizeof buffer - held, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) {
    ended = true;
    epoll_ctl(epoll_fd, EPOLL_CTL_DEL, socket_fd, nullptr);
    return;
  }
  held += static_cast<size_t>(n);
  size_t at = 0;
  for (uint64_t number; held - at >= sizeof number; at += sizeof number) {
    memcpy(&number, buffer + at, sizeof number);
    Take(number);
  }
  held -= at;
  memmove(buffer, buffer + at, held);
}

void* Run(void*) {
  // As zeromq's I/O threads do.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  for (;;) {
    epoll_event events[4];
    const int n = epoll_wait(epoll_fd, events, 4, -1);
    if (n <= 0) ++cut;
    for (int i = 0; i < n; ++i) {
      if (events[i].data.fd == wake_fd) return nullptr;
      Read();
    }
  }
}

int Watch(int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

}  // namespace

int Start(int port) {
  expected = 0;
  finished = ended = false;
  socket_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  wake_fd = eventfd(0, EFD_CLOEXEC);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const auto* to = reinterpret_cast<const sockaddr*>(&address);
  if (connect(socket_fd, to, sizeof address) < 0) return -errno;
  const int one = 1;
  setsockopt(socket_fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (Watch(socket_fd) < 0 || Watch(wake_fd) < 0) return -errno;
  return -pthread_create(&thread, nullptr, Run, nullptr);
}

int Stop() {
  const uint64_t one = 1;
  if (write(wake_fd, &one, sizeof one) < 0) return -errno;
  const int error = pthread_join(thread, nullptr);
  for (int fd : {socket_fd, epoll_fd, wake_fd}) close(fd);
  return -error;
}

Counts Now() {
  return {received, missing, cut, finished, ended};
}

}  // namespace wire
