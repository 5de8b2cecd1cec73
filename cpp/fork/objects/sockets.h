// Facts about a socket that can be read without waiting.
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

// Whether it is connected to the port of a name server.
bool AsksNameServer(const Address& peer);

// Whether it is connected to a daemon that answers libc's look-ups, such as nscd.
bool AsksNameDaemon(const Address& peer);

// Whether it is a socket by which libc requests the list of interfaces from the kernel. A socket
// that has joined a group receives news instead.
bool AsksForInterfaces(int fd);

}  // namespace livefork
