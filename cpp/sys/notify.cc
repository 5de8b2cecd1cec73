#include "sys/notify.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstring>

#include "sys/process.h"
#include "sys/result.h"
#include "sys/sender.h"

namespace sys {
namespace {

// A manager that hangs must not hang its services: none of systemd's own messages takes longer.
constexpr timeval kPatience{5, 0};

int AddressOf(const std::string& text, sockaddr_un* address, socklen_t* size) {
  if (text.size() < 2 || (text[0] != '/' && text[0] != '@')) return -EAFNOSUPPORT;
  if (text.size() >= sizeof address->sun_path) return -ENAMETOOLONG;
  address->sun_family = AF_UNIX;
  memcpy(address->sun_path, text.data(), text.size());
  *size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + text.size());
  // An abstract name is as long as it is: no null byte ends it, one begins it.
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

// Takes no memory.
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
  // To speak for another process takes CAP_SYS_ADMIN; what is said may well do without.
  if (result != -EPERM || !sender) return result;
  if (used == 0) out.msg_control = nullptr;
  out.msg_controllen = used;
  return Send(fd, &out);
}

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

}  // namespace sys
