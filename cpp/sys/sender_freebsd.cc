// SCM_CREDS of unix(4) is filled in by the kernel, whatever the sender has written.
#include "sys/sender.h"

namespace sys {

size_t SenderSpace() {
  return 0;
}

void PutSender(cmsghdr*, int) {}

}  // namespace sys
