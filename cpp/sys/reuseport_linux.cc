#include <linux/filter.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "sys/result.h"
#include "sys/reuseport.h"

namespace sys {

int ReusePort(int fd) {
  const int on = 1;
  return setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
}

// The classic kind of BPF: since Linux 4.5, and for everybody. A program's result is a place in
// reuse->socks of net/core/sock_reuseport.c, where listen(2) appends, and where the last socket
// takes the place of one that is closed. An address's hash is not among what a program of this
// kind can read of every device (skb->hash is filled in by some only), a random number is.
int Steer(int fd, const std::vector<unsigned>& sockets) {
  const auto count = static_cast<unsigned>(sockets.size());
  if (count == 0) return -EINVAL;
  std::vector<sock_filter> program{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<unsigned>(SKF_AD_OFF + SKF_AD_RANDOM)),
      BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, count),
  };
  // Those with numbers below the count stand for themselves, the others for the numbers left over.
  const auto wanted = [&](unsigned i) {
    return std::find(sockets.begin(), sockets.end(), i) != sockets.end();
  };
  unsigned hole = 0;
  for (const unsigned socket : sockets) {
    if (socket < count) continue;
    while (wanted(hole)) ++hole;
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, hole++, 0, 1));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, socket));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_A, 0));
  const sock_fprog told{static_cast<unsigned short>(program.size()), program.data()};
  return Result(setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &told, sizeof told));
}

}  // namespace sys
