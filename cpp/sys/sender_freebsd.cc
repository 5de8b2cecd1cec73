// The kernel always fills in SCM_CREDS of unix(4) itself.
#include "sys/sender.h"

namespace sys {

size_t SenderSpace() {
  return 0;
}

void PutSender(cmsghdr*, int) {}

}  // namespace sys
