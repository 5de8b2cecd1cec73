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

// Classic BPF: since Linux 4.5, without privileges. A program's result is an index into
// reuse->socks of net/core/sock_reuseport.c. listen(2) appends there, and the last socket takes the
// index of a closed one. Such a program cannot rely on a hash of the address, because only some
// devices set skb->hash, but it can get a random number.
int Steer(int fd, const std::vector<unsigned>& sockets) {
  const auto count = static_cast<unsigned>(sockets.size());
  if (count == 0) return -EINVAL;
  std::vector<sock_filter> program{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<unsigned>(SKF_AD_OFF + SKF_AD_RANDOM)),
      BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, count),
  };
  // Wanted numbers below the count keep their index; the others take the remaining indexes.
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
