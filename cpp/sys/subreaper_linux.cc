#include <sys/prctl.h>

#include "sys/launcher.h"
#include "sys/result.h"

namespace sys {

int BecomeSubreaper() {
  return Result(prctl(PR_SET_CHILD_SUBREAPER, 1));
}

}  // namespace sys
