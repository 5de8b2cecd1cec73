// What stands in the way of a fork, and can be told beforehand; each nullptr if nothing does.
#pragma once

#include "fork/base/procfs.h"

namespace livefork {

// opened: what ProcFiles::Open said. /proc may be mounted for another PID namespace; then its
// thread ids are not ours.
const char* ProcObstacle(long opened);

// Signal 0 is checked and not sent: does a seccomp filter let the call through?
const char* SignalObstacle();

}  // namespace livefork
