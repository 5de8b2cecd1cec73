#include "sys/notify.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstddef>
#include <cstdio>
#include <cstring>

#include "sys/fd.h"
#include "sys/process.h"
#include "sys/result.h"
#include "sys/sender.h"
#include "sys/signal_action.h"

namespace sys {
namespace {

// A manager that hangs must not block its services. systemd itself waits no longer for any message.
constexpr timeval kPatience{5, 0};

int AddressOf(const std::string& text, sockaddr_un* address, socklen_t* size) {
  if (text.size() < 2 || (text[0] != '/' && text[0] != '@')) return -EAFNOSUPPORT;
  if (text.size() >= sizeof address->sun_path) return -ENAMETOOLONG;
  address->sun_family = AF_UNIX;
  memcpy(address->sun_path, text.data(), text.size());
  *size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + text.size());
  // An abstract name begins with a null byte and has no terminating one.
  if (text[0] == '@') address->sun_path[0] = '\0';
  return 0;
}

// Enough for 253 descriptors, SCM_MAX_FD of unix(7), and a sender.
struct Control {
  alignas(cmsghdr) char bytes[CMSG_SPACE(253 * sizeof(int)) + 64];
};

size_t PutDescriptors(cmsghdr* header, const int* fds, size_t count) {
  const size_t size = count * sizeof(int);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(size);
  memcpy(CMSG_DATA(header), fds, size);
  return CMSG_SPACE(size);
}

int Send(int fd, msghdr* message) {
  ssize_t sent;
  do {
    sent = sendmsg(fd, message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : 0;
}

// Allocates no memory.
int SendMessage(int fd, const char* message, size_t size, const int* fds, size_t count, int pid) {
  iovec text{const_cast<char*>(message), size};
  Control control{};
  if (CMSG_SPACE(count * sizeof(int)) + SenderSpace() > sizeof control) return -E2BIG;
  msghdr out{};
  out.msg_iov = &text;
  out.msg_iovlen = 1;
  size_t used = 0;
  if (count > 0) used = PutDescriptors(reinterpret_cast<cmsghdr*>(control.bytes), fds, count);
  const bool sender = pid != 0 && SenderSpace() > 0;
  if (sender) PutSender(reinterpret_cast<cmsghdr*>(control.bytes + used), pid);
  if (used > 0 || sender) out.msg_control = control.bytes;
  out.msg_controllen = used + (sender ? SenderSpace() : 0);
  const int result = Send(fd, &out);
  // Sending for another process needs CAP_SYS_ADMIN; the message may work without it.
  if (result != -EPERM || !sender) return result;
  if (used == 0) out.msg_control = nullptr;
  out.msg_controllen = used;
  return Send(fd, &out);
}

int Text(char (&into)[64], const char* format, int number) {
  return snprintf(into, sizeof into, format, number);
}

// The child's side of NotifyAnew(). It closes all descriptors except those that it needs: a manager
// may be slow, and no peer must wait for the end of a connection because of this child.
[[noreturn]] void GiveBack(int fd, int go, int end, int barrier, const char* message, int size,
                           pid_t parent) {
  int keep[] = {fd, go, end, barrier};
  std::sort(std::begin(keep), std::end(keep));
  int first = 0;
  for (const int one : keep) {
    if (first < one) {
      CloseRange(static_cast<unsigned>(first), static_cast<unsigned>(one - 1), false, kAny);
    }
    first = one + 1;
  }
  CloseRange(static_cast<unsigned>(first), UINT_MAX, false, kAny);
  char byte;
  if (read(go, &byte, 1) != 1) _exit(0);
  SendMessage(fd, message, static_cast<size_t>(size), nullptr, 0, 0);
  // systemd looks up the sender when it reads the message, so the sender must exist until then.
  SendMessage(fd, "BARRIER=1", 9, &barrier, 1, 0);
  close(barrier);
  pollfd until{end, POLLIN, 0};
  poll(&until, 1, static_cast<int>(kPatience.tv_sec) * 1000);
  // Signals that systemd has sent to its main process in the meantime, a stop or a reload, are
  // pending here, because all are blocked.
  sigset_t waiting;
  sigpending(&waiting);
  for (int number = 1; number < kSignals; ++number) {
    // Not if the caller has ended: then the parent would be process 1 or a subreaper.
    if (sigismember(&waiting, number) == 1 && getppid() == parent) kill(parent, number);
  }
  _exit(0);
}

struct Pipe {
  int ends[2] = {-1, -1};
  ~Pipe() {
    for (const int fd : ends) {
      if (fd >= 0) close(fd);
    }
  }
  int Open() { return Result(pipe2(ends, O_CLOEXEC)); }
};

}  // namespace

int NotifyOpen(const std::string& address) {
  sockaddr_un to{};
  socklen_t size = 0;
  if (const int error = AddressOf(address, &to, &size); error < 0) return error;
  const int fd = Result(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (fd < 0) return fd;
  if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience) != 0 ||
      connect(fd, reinterpret_cast<sockaddr*>(&to), size) != 0) {
    const int error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

int NotifySend(int fd, const std::string& message, const std::vector<int>& fds, int pid) {
  return SendMessage(fd, message.data(), message.size(), fds.data(), fds.size(), pid);
}

int NotifyReady(int fd, int pid) {
  char text[64];
  const int daemon = PidfdOpen(pid);
  const char* last = daemon < 0 ? "" : "\nMAINPIDFD=1";
  const int size = snprintf(text, sizeof text, "READY=1\nMAINPID=%d%s", pid, last);
  const int result =
      SendMessage(fd, text, static_cast<size_t>(size), &daemon, daemon < 0 ? 0 : 1, 0);
  if (daemon >= 0) close(daemon);
  return result;
}

int NotifyBarrier(int fd) {
  int pipe[2];
  if (pipe2(pipe, O_CLOEXEC) != 0) return -errno;
  const int result = NotifySend(fd, "BARRIER=1", {pipe[1]}, 0);
  close(pipe[1]);
  if (result == 0) return pipe[0];
  close(pipe[0]);
  return result;
}

int NotifyAnew(int fd) {
  Pipe go;
  Pipe barrier;
  if (const int error = go.Open(); error < 0) return error;
  if (const int error = barrier.Open(); error < 0) return error;
  const pid_t parent = getpid();
  char back[64];
  const int size = Text(back, "MAINPID=%d", parent);
  // The runtime's handler would report signals of the child to the caller's event loop.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int child = Result(fork());
  if (child == 0) GiveBack(fd, go.ends[0], barrier.ends[0], barrier.ends[1], back, size, parent);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (child < 0) return child;
  char there[64];
  const auto length = static_cast<size_t>(Text(there, "MAINPID=%d", child));
  const int sent = SendMessage(fd, there, length, nullptr, 0, 0);
  if (sent == 0 && write(go.ends[1], "g", 1) == 1) return child;
  close(go.ends[1]);
  go.ends[1] = -1;
  waitpid(child, nullptr, 0);
  return sent < 0 ? sent : -EPIPE;
}

}  // namespace sys
