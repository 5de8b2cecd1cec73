// Unix sockets of which this process has both ends, as libraries use them to wake their threads:
// the child gets a pair of its own, with the unread messages of both directions.
#pragma once

#include <sys/time.h>

#include <cstddef>
#include <cstdint>

#include "fork/base/arena.h"
#include "fork/base/failure.h"
#include "fork/base/procfs.h"
#include "fork/freeze/table.h"

namespace livefork {

struct Message {
  const char* bytes;
  size_t size;
};

struct PairEnd {
  int fd;
  int status;  // F_GETFL
  bool closes_on_exec;
  bool ended;  // its peer sends nothing any more (shutdown(2))
  int buffer;  // SO_SNDBUF
  timeval timeouts[2];
  List<Message> unread;
};

struct SocketPair {
  int type;
  PairEnd ends[2];
};

// Asks the kernel who is connected to whom (sock_diag(7)).
class Peers {
 public:
  // Before the threads are parked: opens the socket. The first time it also asks once, because the
  // kernel may load a module to answer.
  long Open();
  void Close() { socket_.Close(); }
  int fd() const { return socket_.get(); }

  // The inode of the socket at the other end of fd, whose own inode is given; 0 if there is none,
  // or it cannot be this process's.
  uint64_t Of(int fd, uint64_t inode) const;

 private:
  uint64_t Ask(uint64_t inode) const;
  Fd socket_;
};

// In the parent, all threads parked. False if the pair cannot be carried: something else than bytes
// is under way in it, as a descriptor.
Failure DescribePair(const Entry& a, const Entry& b, Arena& arena, SocketPair& pair, bool& carried);

// In the child. A pair that does not take its messages back is made two ends.
Failure MakePair(const SocketPair& pair);

// In the child: the sockets that were made here before are those of an ancestor.
void RememberLineage();

}  // namespace livefork
