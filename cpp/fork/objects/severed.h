// The replacement in the child for a descriptor that another thread of the parent uses to
// communicate: an object that is at its end, or that receives nothing.
#pragma once

#include <cstdint>

#include "fork/base/arena.h"
#include "fork/base/failure.h"
#include "fork/freeze/table.h"
#include "fork/objects/sockets.h"

namespace livefork {

enum class StandIn : uint8_t {
  kStreamEnd,   // a connection whose peer has closed
  kListener,    // a listener without clients
  kFresh,       // an unconnected socket of the same kind
  kDatagram,    // a socket of the same kind to the same peer
  kQuery,       // the same, with an error that is reported once
  kNetlink,     // the same, and a thread that waits for a response gets an error
  kMuteSocket,  // a datagram socket that has been shut down
  kPipeEnd,     // without a writer
  kBrokenPipe,  // without a reader
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

// The other ends of severed connections, until the threads have seen the end: AwaitEnds().
struct OtherEnds {
  static constexpr size_t kMost = 64;
  size_t count;
  int fds[kMost];
};

// In the parent, all threads parked: chooses the replacement. False if the object cannot be severed
// (a file, or a device that gives all readers the same data).
bool DescribeSevered(const Entry& entry, int descriptors, Severed& severed);

// In the child, once its threads run: gives them 20 ms, and while they run at most 2 s, to close
// severed connections before the program continues. A loop that closes a connection while the
// program writes to it may crash, as Node's inspector does (TcpHolder::WriteRaw, in
// src/inspector_socket.cc).
void AwaitEnds();

// In the child.
Failure MakeStandIn(const Severed& severed);

}  // namespace livefork
