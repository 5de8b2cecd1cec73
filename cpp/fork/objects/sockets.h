// What can be asked of a socket without waiting.
#pragma once

#include <sys/socket.h>
#include <sys/time.h>

#include "arch.h"

namespace livefork {

// A socket's option of the level SOL_SOCKET, or -errno.
inline long SocketOption(int fd, int option) {
  int value = 0;
  socklen_t length = sizeof value;
  const long r = Sys(SYS_getsockopt, fd, SOL_SOCKET, option, &value, &length);
  return r < 0 ? r : value;
}

struct Address {
  sockaddr_storage storage;
  socklen_t length;
};

// The peer's address; false without one.
inline bool PeerOf(int fd, Address& peer) {
  peer.length = sizeof peer.storage;
  return Sys(SYS_getpeername, fd, &peer.storage, &peer.length) == 0;
}

inline bool NameOf(int fd, Address& name) {
  name.length = sizeof name.storage;
  return Sys(SYS_getsockname, fd, &name.storage, &name.length) == 0;
}

// Is it connected to a name server's port?
bool AsksNameServer(const Address& peer);

// Is it connected to a daemon that answers libc's look-ups, as nscd does?
bool AsksNameDaemon(const Address& peer);

// Is it one of the kind by which libc asks the kernel for its interfaces, request by request? One
// that has joined a group listens to news instead.
bool AsksForInterfaces(int fd);

}  // namespace livefork
