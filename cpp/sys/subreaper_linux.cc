#include <sys/prctl.h>

#include "sys/launcher.h"
#include "sys/result.h"

namespace sys {

int SetSubreaper(bool on) {
  int before = 0;
  if (prctl(PR_GET_CHILD_SUBREAPER, &before) != 0) return -errno;
  int result = Result(prctl(PR_SET_CHILD_SUBREAPER, on));
  return result < 0 ? result : before;
}

}  // namespace sys
