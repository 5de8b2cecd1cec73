#include "fork/objects/severed.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "fork/base/place.h"
#include "fork/park/park.h"
#include "fork/state.h"

namespace livefork {
namespace {

constexpr unsigned kMemoryDevices = 1;  // null, zero, random...: LANANA's list of devices

StandIn ForStream(const Severed& s) {
  if (SocketOption(s.fd, SO_ACCEPTCONN) == 1) return StandIn::kListener;
  const bool internet = s.domain == AF_INET || s.domain == AF_INET6;
  // A connecting or unconnected socket: it must still accept TCP options, or libraries abort
  // (zeromq's tune_tcp_socket).
  return internet && !s.has_peer ? StandIn::kFresh : StandIn::kStreamEnd;
}

StandIn ForDatagram(const Severed& s, bool libcs) {
  const bool internet = s.domain == AF_INET || s.domain == AF_INET6;
  if (libcs && s.has_peer && AsksNameServer(s.peer)) return StandIn::kQuery;
  if (internet) return StandIn::kDatagram;
  if (s.domain != AF_UNIX) return StandIn::kMuteSocket;
  // A peer without a name (a socketpair's other end) cannot be found again.
  const bool nameless = s.has_peer && s.peer.length <= sizeof(sa_family_t);
  return nameless ? StandIn::kMuteSocket : StandIn::kDatagram;
}

void DescribeSocket(Severed& s, bool libcs) {
  s.domain = static_cast<int>(SocketOption(s.fd, SO_DOMAIN));
  s.type = static_cast<int>(SocketOption(s.fd, SO_TYPE));
  s.protocol = static_cast<int>(SocketOption(s.fd, SO_PROTOCOL));
  if (s.domain == AF_NETLINK) {
    s.stand_in = StandIn::kNetlink;
    s.has_peer = NameOf(s.fd, s.peer);
  } else {
    s.has_peer = PeerOf(s.fd, s.peer);
    const bool stream = s.type == SOCK_STREAM || s.type == SOCK_SEQPACKET;
    s.stand_in = stream                 ? ForStream(s)
                 : s.type == SOCK_DGRAM ? ForDatagram(s, libcs)
                                        : StandIn::kMuteSocket;
  }
  const int options[2] = {SO_RCVTIMEO, SO_SNDTIMEO};
  for (int i = 0; i < 2; ++i) {
    socklen_t length = sizeof s.timeouts[i];
    Sys(SYS_getsockopt, s.fd, SOL_SOCKET, options[i], &s.timeouts[i], &length);
  }
}

constexpr long kPatience = 20000000;
constexpr uint64_t kLongest = 2000000000;

// An end of a socketpair whose other end is closed, or that is shut down.
Failure MakeEnd(const Severed& s, int type, bool close_peer) {
  int ends[2] = {-1, -1};
  const long r =
      Sys(SYS_socketpair, AF_UNIX, type | SOCK_CLOEXEC | (s.status & O_NONBLOCK), 0, ends);
  if (r < 0) return Check(r, "socketpair");
  if (!close_peer) Sys(SYS_shutdown, ends[0], SHUT_RDWR);
  if (close_peer && state.other_ends.count < OtherEnds::kMost) {
    Sys(SYS_shutdown, ends[1], SHUT_WR);
    state.other_ends.fds[state.other_ends.count++] = ends[1];
  } else {
    Sys(SYS_close, ends[1]);
  }
  return Place(ends[0], s.fd, s.closes_on_exec, "socketpair");
}

void SetTimeouts(long fd, const Severed& s) {
  const int options[2] = {SO_RCVTIMEO, SO_SNDTIMEO};
  for (int i = 0; i < 2; ++i) {
    if (s.timeouts[i].tv_sec == 0 && s.timeouts[i].tv_usec == 0) continue;
    Sys(SYS_setsockopt, fd, SOL_SOCKET, options[i], &s.timeouts[i], sizeof s.timeouts[i]);
  }
}

// An abstract address that the kernel chooses (unix(7), autobind). No port is opened, and a socket
// that is not bound could not listen.
Failure MakeListener(const Severed& s) {
  const int type = (s.type == SOCK_SEQPACKET ? SOCK_SEQPACKET : SOCK_STREAM) | SOCK_CLOEXEC;
  const long fd = Sys(SYS_socket, AF_UNIX, type | (s.status & O_NONBLOCK), 0);
  if (fd < 0) return Check(fd, "socket");
  const sa_family_t family = AF_UNIX;
  const char* syscall = "bind";
  long r = Sys(SYS_bind, fd, &family, sizeof family);
  if (r == 0) {
    syscall = "listen";
    r = Sys(SYS_listen, fd, 0);
  }
  if (r < 0) {
    Sys(SYS_close, fd);
    return Check(r, syscall);
  }
  SetTimeouts(fd, s);
  return Place(fd, s.fd, s.closes_on_exec, "socket");
}

// A socket of the same kind, or -errno.
long Fresh(const Severed& s) {
  const int flags = SOCK_CLOEXEC | (s.status & O_NONBLOCK);
  const long fd = Sys(SYS_socket, s.domain, s.type | flags, s.protocol);
  if (fd < 0) return fd;
  SetTimeouts(fd, s);
  return fd;
}

// connect(2) of a datagram socket only stores the address. If the peer has ended, sending fails.
long FreshDatagram(const Severed& s) {
  const long fd = Fresh(s);
  if (fd >= 0 && s.has_peer) Sys(SYS_connect, fd, &s.peer.storage, s.peer.length);
  return fd;
}

// A closed port of the loopback interface: the kernel refuses data there at once.
socklen_t ClosedPort(int domain, sockaddr_storage& storage) {
  constexpr uint16_t kTcpmux = 1;  // a UDP listener there gets an empty datagram
  storage = {};
  if (domain == AF_INET) {
    auto& address = reinterpret_cast<sockaddr_in&>(storage);
    address.sin_family = AF_INET;
    address.sin_port = htons(kTcpmux);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return sizeof address;
  }
  auto& address = reinterpret_cast<sockaddr_in6&>(storage);
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(kTcpmux);
  address.sin6_addr.s6_addr[15] = 1;
  return sizeof address;
}

// A thread that waits for the response to a query, which went out by another socket, would repeat
// the query only after seconds. One ECONNREFUSED makes glibc and c-ares repeat it at once, with a
// new socket; musl, which does not connect its socket, waits. The error stays after the socket is
// disconnected. If the loopback interface is down there is no error, and all wait.
long FreshQuery(const Severed& s) {
  const long fd = Fresh(s);
  if (fd < 0) return fd;
  sockaddr_storage closed;
  const socklen_t length = ClosedPort(s.domain, closed);
  if (Sys(SYS_connect, fd, &closed, length) == 0) {
    Sys(SYS_sendto, fd, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL, nullptr, 0);
    const sockaddr nobody{AF_UNSPEC, {}};
    Sys(SYS_connect, fd, &nobody, sizeof nobody);
  }
  Sys(SYS_connect, fd, &s.peer.storage, s.peer.length);
  return fd;
}

// A thread that waits for the kernel's response, whose request went out by another socket, must get
// an error, not an end. glibc treats EAGAIN of a blocking socket as "unknown", but ends the process
// at an end of file, another family or EBADF (__netlink_assert_response). A later request is
// answered before its sendto(2) returns, so a timeout of a microsecond suffices for it. A socket
// that has joined multicast groups joins them again.
long FreshNetlink(const Severed& s) {
  const long fd = Fresh(s);
  if (fd < 0) return fd;
  auto name = reinterpret_cast<const sockaddr_nl&>(s.peer.storage);
  name.nl_pid = 0;  // the parent's; bind(2) finds another
  if (s.has_peer && name.nl_groups != 0) {
    Sys(SYS_bind, fd, &name, sizeof name);
  } else if ((s.status & O_NONBLOCK) == 0) {
    const timeval soon{0, 1};
    Sys(SYS_setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon);
  }
  return fd;
}

// One end of a pipe whose other end is closed.
Failure MakePipeEnd(const Severed& s, bool reads) {
  int ends[2] = {-1, -1};
  const long r = Sys(SYS_pipe2, ends, O_CLOEXEC | (s.status & O_NONBLOCK));
  if (r < 0) return Check(r, "pipe2");
  Sys(SYS_close, ends[reads ? 1 : 0]);
  return Place(ends[reads ? 0 : 1], s.fd, s.closes_on_exec, "pipe2");
}

}  // namespace

bool DescribeSevered(const Entry& entry, int descriptors, Severed& s) {
  s.fd = entry.fd;
  s.closes_on_exec = ClosesOnExec(entry.fd);
  const long status = Sys(SYS_fcntl, entry.fd, F_GETFL);
  if (status < 0) return false;
  s.status = static_cast<int>(status);
  if (entry.kind == Kind::kSocket) {
    // The socket of c-ares belongs to the main loop (conversations.cc). It sends further queries by
    // the same socket, and these must not get the error.
    DescribeSocket(s, !entry.Has(Entry::kMain));
    return true;
  }
  const bool writes_only = (s.status & O_ACCMODE) == O_WRONLY;
  s.stand_in = writes_only ? StandIn::kBrokenPipe : StandIn::kPipeEnd;
  if (entry.kind == Kind::kPipe) return true;
  if (entry.kind == Kind::kUserfault) return true;
  if (entry.kind != Kind::kOther) return false;
  if (entry.Has(Entry::kQueue)) return true;
  FileFacts facts;
  if (AskFile(descriptors, entry.fd, facts) < 0) return false;
  if (S_ISCHR(facts.mode)) return facts.major != kMemoryDevices && !writes_only;
  return S_ISFIFO(facts.mode) && entry.Has(Entry::kReads);
}

Failure MakeStandIn(const Severed& s) {
  long fresh = -1;
  switch (s.stand_in) {
    case StandIn::kStreamEnd:
      return MakeEnd(s, s.type == SOCK_SEQPACKET ? SOCK_SEQPACKET : SOCK_STREAM, true);
    case StandIn::kMuteSocket:
      return MakeEnd(s, SOCK_DGRAM, false);
    case StandIn::kListener:
      return MakeListener(s);
    case StandIn::kPipeEnd:
    case StandIn::kBrokenPipe:
      return MakePipeEnd(s, s.stand_in == StandIn::kPipeEnd);
    case StandIn::kFresh:
      fresh = Fresh(s);
      break;
    case StandIn::kDatagram:
      fresh = FreshDatagram(s);
      break;
    case StandIn::kQuery:
      fresh = FreshQuery(s);
      break;
    case StandIn::kNetlink:
      fresh = FreshNetlink(s);
      break;
  }
  // If this process may not make the socket any more (a seccomp filter, a dropped capability), an
  // ended one takes its place.
  const bool denied = fresh == -EPERM || fresh == -EACCES || fresh == -EAFNOSUPPORT ||
                      fresh == -EPROTONOSUPPORT || fresh == -ENOSYS;
  if (denied && s.stand_in == StandIn::kFresh) return MakeEnd(s, SOCK_STREAM, true);
  if (denied) return MakeEnd(s, SOCK_DGRAM, false);
  return Place(fresh, s.fd, s.closes_on_exec, "socket");
}

// A peer hangs up when the other side has closed. On a busy machine a thread may get no processor
// within 20 ms (this caused one crash in 5,000 forks beside ten other processes). So the wait
// continues as long as a thread is running or runnable.
void AwaitEnds() {
  pollfd waiting[OtherEnds::kMost];
  for (size_t i = 0; i < state.other_ends.count; ++i) waiting[i] = {state.other_ends.fds[i], 0, 0};
  const uint64_t begin = MonotonicNs();
  timespec step{0, kPatience};
  for (size_t open = state.other_ends.count; open > 0;) {
    const long n = Sys(SYS_ppoll, waiting, state.other_ends.count, &step, nullptr, 0);
    if (n < 0 && n != -EINTR) break;
    if (n == 0 && (MonotonicNs() - begin > kLongest || OthersSleep())) break;
    step = {0, kPatience / 4};
    for (size_t i = 0; i < state.other_ends.count; ++i) {
      if (waiting[i].fd < 0 || (waiting[i].revents & POLLHUP) == 0) continue;
      waiting[i].fd = -1;
      --open;
    }
  }
  for (size_t i = 0; i < state.other_ends.count; ++i) Sys(SYS_close, state.other_ends.fds[i]);
  state.other_ends.count = 0;
}

}  // namespace livefork
