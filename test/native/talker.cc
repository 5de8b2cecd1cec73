// A library with threads of its own, as zeromq or a database client is: each talker has a
// connection to another process, which sends it numbered messages, and is woken by its own process.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <node_api.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

#include "addresses.h"

namespace {

enum Mode {
  kEpoll,       // an epoll, an eventfd: all close-on-exec
  kEpollPlain,  // epoll_create(2), eventfd(2) and pipe(2) of old, without flags
  kEpollPair,   // woken by a socketpair
  kReceive,     // blocks in recv(2)
  kPoll,        // blocks in poll(2), woken by a pipe
  kSelect,      // blocks in select(2), woken by a pipe
  kListen,      // blocks in accept(2): connection is a listening socket
  kIdle,        // has a connection, and does nothing with it
};

struct Talker {
  Mode mode;
  int connection;
  int epoll;
  int wake_read, wake_write;
  std::atomic<int64_t> received, lost, wakes, ended;
  uint32_t partial;
  unsigned filled;
};

constexpr int kMost = 16;
Talker talkers[kMost];
int count = 0;

// Four bytes each, counted from 1.
void Take(Talker& t, const char* bytes, size_t size) {
  for (size_t i = 0; i < size; ++i) {
    t.partial |= static_cast<uint32_t>(static_cast<unsigned char>(bytes[i])) << (8 * t.filled);
    if (++t.filled < 4) continue;
    if (t.partial != t.received + t.lost + 1) t.lost = t.partial - t.received - 1;
    ++t.received;
    t.partial = t.filled = 0;
  }
}

// False at the end of the connection.
bool Read(Talker& t) {
  char bytes[4096];
  const ssize_t n = recv(t.connection, bytes, sizeof bytes, 0);
  if (n > 0) {
    Take(t, bytes, static_cast<size_t>(n));
    return true;
  }
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  t.ended = 1 + (n < 0 ? errno : 0);
  return false;
}

void ReadWake(Talker& t) {
  if (t.mode == kEpoll || t.mode == kEpollPlain) {
    uint64_t n = 0;
    if (read(t.wake_read, &n, sizeof n) == sizeof n) t.wakes += static_cast<int64_t>(n);
    return;
  }
  char bytes[64];
  const ssize_t n = read(t.wake_read, bytes, sizeof bytes);
  if (n > 0) t.wakes += n;
}

void RunEpoll(Talker& t) {
  for (;;) {
    epoll_event event{};
    const int n = epoll_wait(t.epoll, &event, 1, -1);
    if (n < 0) continue;
    if (event.data.fd == t.wake_read) ReadWake(t);
    if (event.data.fd == t.connection && !Read(t)) {
      epoll_ctl(t.epoll, EPOLL_CTL_DEL, t.connection, nullptr);
    }
  }
}

void RunPoll(Talker& t) {
  pollfd all[2] = {{t.connection, POLLIN, 0}, {t.wake_read, POLLIN, 0}};
  for (;;) {
    if (poll(all, 2, -1) < 0) continue;
    if (all[1].revents != 0) ReadWake(t);
    if (all[0].revents != 0 && !Read(t)) all[0].fd = -1;
  }
}

void RunSelect(Talker& t) {
  bool open = true;
  for (;;) {
    fd_set set;
    FD_ZERO(&set);
    FD_SET(t.wake_read, &set);
    if (open) FD_SET(t.connection, &set);
    const int highest = t.connection > t.wake_read ? t.connection : t.wake_read;
    if (select(highest + 1, &set, nullptr, nullptr, nullptr) < 0) continue;
    if (FD_ISSET(t.wake_read, &set)) ReadWake(t);
    if (open && FD_ISSET(t.connection, &set)) open = Read(t);
  }
}

void RunListen(Talker& t) {
  for (;;) {
    const int fd = accept4(t.connection, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd >= 0) {
      ++t.received;
      close(fd);
    } else if (errno != EINTR && errno != EAGAIN) {
      t.ended = 1 + errno;
      return;
    }
  }
}

void* Run(void* argument) {
  Talker& t = *static_cast<Talker*>(argument);
  switch (t.mode) {
    case kReceive:
      while (Read(t)) {
      }
      break;
    case kPoll:
      RunPoll(t);
      break;
    case kSelect:
      RunSelect(t);
      break;
    case kListen:
      RunListen(t);
      break;
    case kIdle:
      for (;;) pause();
    default:
      RunEpoll(t);
  }
  return nullptr;
}

void Open(Talker& t) {
  int ends[2] = {-1, -1};
  t.epoll = t.mode == kEpollPlain ? epoll_create(1) : epoll_create1(EPOLL_CLOEXEC);
  if (t.mode == kEpoll) ends[0] = ends[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (t.mode == kEpollPlain) ends[0] = ends[1] = eventfd(0, 0);
  if (t.mode == kEpollPair) {
    (void)socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends);
  }
  if (t.mode == kPoll) (void)!pipe(ends);
  if (t.mode == kSelect) (void)!pipe2(ends, O_CLOEXEC);
  t.wake_read = ends[0];
  t.wake_write = ends[1];
  for (const int fd : {t.wake_read, t.connection}) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (t.mode <= kEpollPair) epoll_ctl(t.epoll, EPOLL_CTL_ADD, fd, &event);
  }
}

int Connect(const char* where) {
  if (where[0] == '/') {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    memcpy(name.sun_path, where, strnlen(where, sizeof name.sun_path - 1));
    return connect(fd, reinterpret_cast<sockaddr*>(&name), sizeof name) == 0 ? fd : -1;
  }
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(static_cast<uint16_t>(atoi(where)));
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return connect(fd, reinterpret_cast<sockaddr*>(&name), sizeof name) == 0 ? fd : -1;
}

// A listening socket at a port that the kernel chooses.
int Listen() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd, reinterpret_cast<sockaddr*>(&name), sizeof name) != 0) return -1;
  return listen(fd, 128) == 0 ? fd : -1;
}

napi_value Number(napi_env env, int64_t value) {
  napi_value result;
  napi_create_int64(env, value, &result);
  return result;
}

int Index(napi_env env, napi_callback_info info) {
  size_t n = 1;
  napi_value argument;
  int32_t value = 0;
  napi_get_cb_info(env, info, &n, &argument, nullptr, nullptr);
  napi_get_value_int32(env, argument, &value);
  return value;
}

// talk(mode, where): the talker's number, or -errno. where: a port or a path; for kListen nothing.
napi_value Talk(napi_env env, napi_callback_info info) {
  size_t n = 2;
  napi_value arguments[2];
  int32_t mode = 0;
  char where[128] = {};
  napi_get_cb_info(env, info, &n, arguments, nullptr, nullptr);
  napi_get_value_int32(env, arguments[0], &mode);
  napi_get_value_string_utf8(env, arguments[1], where, sizeof where, nullptr);
  if (count == kMost) return Number(env, -ENOSPC);
  Talker& t = talkers[count];
  t.mode = static_cast<Mode>(mode);
  t.connection = t.mode == kListen ? Listen() : Connect(where);
  if (t.connection < 0) return Number(env, -errno);
  Open(t);
  pthread_t thread;
  const int error = pthread_create(&thread, nullptr, Run, &t);
  return Number(env, error != 0 ? -error : count++);
}

napi_value Wake(napi_env env, napi_callback_info info) {
  Talker& t = talkers[Index(env, info)];
  const uint64_t one = 1;
  const bool counts = t.mode == kEpoll || t.mode == kEpollPlain;
  return Number(env, write(t.wake_write, &one, counts ? sizeof one : 1));
}

napi_value Port(napi_env env, napi_callback_info info) {
  sockaddr_in name{};
  socklen_t length = sizeof name;
  getsockname(talkers[Index(env, info)].connection, reinterpret_cast<sockaddr*>(&name), &length);
  return Number(env, name.sin_family == AF_INET ? ntohs(name.sin_port) : -1);
}

napi_value Connection(napi_env env, napi_callback_info info) {
  return Number(env, talkers[Index(env, info)].connection);
}

template <std::atomic<int64_t> Talker::*Member>
napi_value Get(napi_env env, napi_callback_info info) {
  return Number(env, (talkers[Index(env, info)].*Member).load());
}

const struct {
  const char* name;
  napi_callback function;
} kFunctions[] = {
    {"addresses", Addresses},
    {"talk", Talk},
    {"wake", Wake},
    {"port", Port},
    {"connection", Connection},
    {"received", Get<&Talker::received>},
    {"lost", Get<&Talker::lost>},
    {"wakes", Get<&Talker::wakes>},
    {"ended", Get<&Talker::ended>},
};

}  // namespace

NAPI_MODULE_INIT() {
  for (const auto& [name, function] : kFunctions) {
    napi_value value;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &value);
    napi_set_named_property(env, exports, name, value);
  }
  return exports;
}
