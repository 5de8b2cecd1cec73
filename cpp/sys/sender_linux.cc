// SCM_CREDENTIALS of unix(7). Without it the kernel fills in the actual sender if the receiver
// requests that.
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "sys/sender.h"

namespace sys {

size_t SenderSpace() {
  return CMSG_SPACE(sizeof(ucred));
}

void PutSender(cmsghdr* header, int pid) {
  const ucred credentials{pid, getuid(), getgid()};
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_CREDENTIALS;
  header->cmsg_len = CMSG_LEN(sizeof credentials);
  memcpy(CMSG_DATA(header), &credentials, sizeof credentials);
}

}  // namespace sys
