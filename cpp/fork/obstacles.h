// Obstacles to a fork that can be found beforehand. Each function returns nullptr if there is none.
#pragma once

#include "fork/base/procfs.h"

namespace livefork {

// opened: the result of ProcFiles::Open. /proc may belong to another PID namespace; then its thread
// ids are not ours.
const char* ProcObstacle(long opened);

// Signal 0 is checked but not sent: this shows whether a seccomp filter allows the call.
const char* SignalObstacle();

}  // namespace livefork
