// What the child gets in the place of a descriptor by which another thread of the parent converses
// with somebody else: something that is at its end, or that hears nothing.
#pragma once

#include <cstdint>

#include "fork/base/arena.h"
#include "fork/base/failure.h"
#include "fork/freeze/table.h"
#include "fork/objects/sockets.h"

namespace livefork {

enum class StandIn : uint8_t {
  kStreamEnd,   // a connection whose peer has gone
  kListener,    // listens where nobody connects
  kFresh,       // an unconnected socket of the same kind
  kDatagram,    // a socket of the same kind to the same peer
  kQuery,       // the same, with an error that is told once
  kNetlink,     // the same, and one that waits for an answer is told that there is none
  kMuteSocket,  // a datagram socket that has been shut down
  kPipeEnd,     // nobody writes to it any more
  kBrokenPipe,  // nobody reads it any more
};

struct Severed {
  int fd;
  StandIn stand_in;
  bool closes_on_exec;
  int status;  // F_GETFL
  int domain, type, protocol;
  Address peer;  // kDatagram's, or kNetlink's own name, for its groups
  bool has_peer;
  timeval timeouts[2];  // SO_RCVTIMEO and SO_SNDTIMEO
};

// The other ends of connections that are at their end, until those have been seen: AwaitEnds().
struct OtherEnds {
  static constexpr size_t kMost = 64;
  size_t count;
  int fds[kMost];
};

// In the parent, all threads parked: chooses what stands in. False if it is nothing that could be
// severed (a file, a device that gives everybody the same).
bool DescribeSevered(const Entry& entry, int descriptors, Severed& severed);

// In the child, once its threads run: gives them 20 ms, and as long as they run at most 2 s, to
// close the connections that are at their end, before the program goes on. A loop that closes one
// while the program writes to it may fault, as Node's inspector does (TcpHolder::WriteRaw, in
// src/inspector_socket.cc).
void AwaitEnds();

// In the child.
Failure MakeStandIn(const Severed& severed);

}  // namespace livefork
