// Unix sockets with both ends in this process, by which libraries wake their threads. The child
// gets its own pair, with the unread messages of both directions.
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
  bool ended;  // its peer sends no more data (shutdown(2))
  int buffer;  // SO_SNDBUF
  timeval timeouts[2];
  List<Message> unread;
};

struct SocketPair {
  int type;
  PairEnd ends[2];
};

// Asks the kernel which sockets are connected (sock_diag(7)).
class Peers {
 public:
  // Before the threads are parked: opens the socket. The first time it also makes one request,
  // because the kernel may load a module to answer.
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

// In the parent, all threads parked. `carried` is false if the pair contains something other than
// bytes, such as a descriptor.
Failure DescribePair(const Entry& a, const Entry& b, Arena& arena, SocketPair& pair, bool& carried);

// In the child. If the messages cannot be restored, both ends are severed.
Failure MakePair(const SocketPair& pair);

// In the child: records that earlier sockets were made by an ancestor.
void RememberLineage();

}  // namespace livefork
