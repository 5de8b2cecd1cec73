#include "fork/objects/pairs.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <linux/unix_diag.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <cstring>

#include "fork/base/place.h"
#include "fork/objects/sockets.h"

namespace livefork {
namespace {

// This process and its ancestors by fork(): their socketpairs may be open here.
constexpr size_t kGenerations = 32;
int lineage[kGenerations];
size_t generation = 0;

// SO_PEERCRED: the process that made the pair, listened, or connected.
bool MadeHere(int fd) {
  struct {
    int pid;
    unsigned uid, gid;
  } maker{};
  socklen_t length = sizeof maker;
  if (Sys(SYS_getsockopt, fd, SOL_SOCKET, SO_PEERCRED, &maker, &length) < 0) return false;
  if (maker.pid == static_cast<int>(Sys(SYS_getpid))) return true;
  for (const int pid : lineage) {
    if (pid != 0 && pid == maker.pid) return true;
  }
  return false;
}

// Reads the waiting messages of one end without removing them.
class Unread {
 public:
  Unread(int fd, int type, Arena& arena) : fd_(fd), type_(type), arena_(arena) {}

  Failure Read(List<Message>& messages, bool& carried) {
    int size = 0;
    if (Sys(SYS_ioctl, fd_, SIOCINQ, &size) < 0) carried = false;
    if (size == 0 && !Waiting()) return {};
    const int before = static_cast<int>(SocketOption(fd_, SO_PEEK_OFF));
    if (before < -1) {
      carried = false;
      return {};
    }
    SetOffset(0);
    Failure failure = ReadAll(static_cast<size_t>(size), messages, carried);
    SetOffset(before);
    return failure;
  }

 private:
  static constexpr size_t kMostMessages = 4096;
  static constexpr size_t kLargest = size_t{1} << 20;  // more than a default SO_SNDBUF holds

  void SetOffset(int offset) {
    Sys(SYS_setsockopt, fd_, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof offset);
  }

  // SIOCINQ does not count an empty message.
  bool Waiting() const {
    pollfd look{fd_, POLLIN, 0};
    const timespec now{0, 0};
    if (type_ == SOCK_STREAM) return false;
    return Sys(SYS_ppoll, &look, 1, &now, nullptr, 0) == 1 && (look.revents & POLLIN) != 0;
  }

  Failure ReadAll(size_t size, List<Message>& messages, bool& carried) {
    const bool stream = type_ == SOCK_STREAM;
    const size_t room = stream ? size : kLargest;
    char* buffer = arena_.Take<char>(room);
    if (buffer == nullptr) return kArenaFull;
    size_t total = 0;
    while (!stream || total < size) {
      iovec part{buffer, room};
      msghdr message{};
      message.msg_iov = &part;
      message.msg_iovlen = 1;
      const long n = Sys(SYS_recvmsg, fd_, &message, MSG_PEEK | MSG_DONTWAIT);
      if (n == -EAGAIN || (n == 0 && type_ != SOCK_DGRAM)) break;
      // MSG_CTRUNC: the message contains a descriptor or its sender's credentials, for which there
      // is no room here.
      carried = n >= 0 && (message.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) == 0 &&
                messages.size() < kMostMessages;
      if (!carried) return {};
      if (Failure failure = Keep(buffer, static_cast<size_t>(n), messages)) return failure;
      total += static_cast<size_t>(n);
    }
    carried = !stream || total == size;
    return {};
  }

  Failure Keep(const char* bytes, size_t size, List<Message>& messages) {
    Message* message = messages.Add(arena_);
    char* copy = arena_.Take<char>(size);
    if (message == nullptr || copy == nullptr) return kArenaFull;
    memcpy(copy, bytes, size);
    *message = {copy, size};
    return {};
  }

  int fd_;
  int type_;
  Arena& arena_;
};

Failure DescribeEnd(const Entry& entry, int type, Arena& arena, PairEnd& end, bool& carried) {
  end.fd = entry.fd;
  end.closes_on_exec = ClosesOnExec(entry.fd);
  const long status = Sys(SYS_fcntl, entry.fd, F_GETFL);
  if (status < 0) return Check(status, "fcntl");
  end.status = static_cast<int>(status);
  end.buffer = static_cast<int>(SocketOption(entry.fd, SO_SNDBUF));
  const int options[2] = {SO_RCVTIMEO, SO_SNDTIMEO};
  for (int i = 0; i < 2; ++i) {
    socklen_t length = sizeof end.timeouts[i];
    Sys(SYS_getsockopt, entry.fd, SOL_SOCKET, options[i], &end.timeouts[i], &length);
  }
  pollfd look{entry.fd, POLLRDHUP, 0};
  const timespec now{0, 0};
  Sys(SYS_ppoll, &look, 1, &now, nullptr, 0);
  end.ended = (look.revents & POLLRDHUP) != 0;
  return Unread(entry.fd, type, arena).Read(end.unread, carried);
}

// The requested size is half of the size that getsockopt(2) returns (socket(7), SO_SNDBUF).
void Furnish(int fd, const PairEnd& end) {
  const int half = end.buffer / 2;
  Sys(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDBUF, &half, sizeof half);
  const int options[2] = {SO_RCVTIMEO, SO_SNDTIMEO};
  for (int i = 0; i < 2; ++i) {
    Sys(SYS_setsockopt, fd, SOL_SOCKET, options[i], &end.timeouts[i], sizeof end.timeouts[i]);
  }
}

// Sends the unread messages of an end again, from the other end.
bool Refill(int other, const PairEnd& end) {
  for (const Message& message : end.unread) {
    const long n = Sys(SYS_sendto, other, message.bytes, message.size, MSG_DONTWAIT | MSG_NOSIGNAL,
                       nullptr, 0);
    if (n != static_cast<long>(message.size)) return false;
  }
  return true;
}

}  // namespace

long Peers::Open() {
  const long r =
      socket_.Reset(Sys(SYS_socket, AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  static bool asked = false;
  if (r >= 0 && !asked) Ask(0);
  asked = true;
  // Without it no pair is found, and all sockets of other threads are severed.
  return r == -EMFILE || r == -ENFILE || r == -ENOMEM ? r : 0;
}

uint64_t Peers::Ask(uint64_t inode) const {
  struct {
    nlmsghdr header;
    unix_diag_req request;
  } question{};
  question.header.nlmsg_len = sizeof question;
  question.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  question.header.nlmsg_flags = NLM_F_REQUEST;
  question.request.sdiag_family = AF_UNIX;
  question.request.udiag_states = UINT32_MAX;
  question.request.udiag_ino = static_cast<uint32_t>(inode);
  question.request.udiag_show = UDIAG_SHOW_PEER;
  question.request.udiag_cookie[0] = question.request.udiag_cookie[1] = UINT32_MAX;
  // The kernel has answered when this returns.
  if (Sys(SYS_sendto, fd(), &question, sizeof question, MSG_DONTWAIT, nullptr, 0) < 0) return 0;
  alignas(nlmsghdr) char answer[1024] = {};
  const long n = Sys(SYS_recvfrom, fd(), answer, sizeof answer, MSG_DONTWAIT, nullptr, nullptr);
  const auto* header = reinterpret_cast<const nlmsghdr*>(answer);
  if (n < static_cast<long>(NLMSG_LENGTH(sizeof(unix_diag_msg)))) return 0;
  if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY) return 0;
  long left = n - static_cast<long>(NLMSG_LENGTH(sizeof(unix_diag_msg)));
  const char* at = answer + NLMSG_LENGTH(sizeof(unix_diag_msg));
  while (left >= static_cast<long>(sizeof(rtattr))) {
    const auto* attribute = reinterpret_cast<const rtattr*>(at);
    const long length = RTA_ALIGN(attribute->rta_len);
    if (length < static_cast<long>(sizeof(rtattr))) return 0;
    if (attribute->rta_type == UNIX_DIAG_PEER) {
      uint32_t peer = 0;
      memcpy(&peer, at + sizeof(rtattr), sizeof peer);
      return peer;
    }
    at += length;
    left -= length;
  }
  return 0;
}

uint64_t Peers::Of(int fd, uint64_t inode) const {
  return socket_.get() >= 0 && inode != 0 && MadeHere(fd) ? Ask(inode) : 0;
}

Failure DescribePair(const Entry& a, const Entry& b, Arena& arena, SocketPair& pair,
                     bool& carried) {
  carried = true;
  pair.type = static_cast<int>(SocketOption(a.fd, SO_TYPE));
  const Entry* entries[2] = {&a, &b};
  for (int i = 0; i < 2 && carried; ++i) {
    Failure failure = DescribeEnd(*entries[i], pair.type, arena, pair.ends[i], carried);
    if (failure) return failure;
  }
  return {};
}

Failure MakePair(const SocketPair& pair) {
  int ends[2] = {-1, -1};
  auto fresh = [&] { return Sys(SYS_socketpair, AF_UNIX, pair.type | SOCK_CLOEXEC, 0, ends); };
  if (long r = fresh(); r < 0) return Check(r, "socketpair");
  bool whole = true;
  for (int i = 0; i < 2; ++i) Furnish(ends[i], pair.ends[i]);
  for (int i = 0; i < 2; ++i) whole = whole && Refill(ends[1 - i], pair.ends[i]);
  if (!whole) {
    for (const int end : ends) Sys(SYS_close, end);
    if (long r = fresh(); r < 0) return Check(r, "socketpair");
    Sys(SYS_shutdown, ends[0], SHUT_RDWR);
  }
  for (int i = 0; i < 2; ++i) {
    const PairEnd& end = pair.ends[i];
    if (end.ended) Sys(SYS_shutdown, ends[1 - i], SHUT_WR);
    Sys(SYS_fcntl, ends[i], F_SETFL, end.status & O_NONBLOCK);
    if (Failure failure = Place(ends[i], end.fd, end.closes_on_exec, "socketpair")) return failure;
  }
  return {};
}

void RememberLineage() {
  lineage[generation++ % kGenerations] = static_cast<int>(Sys(SYS_getppid));
}

}  // namespace livefork
