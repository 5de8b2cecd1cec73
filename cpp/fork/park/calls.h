// Which system calls go on after a signal of ours, and how: resume.cc.
#pragma once

#include "fork/base/call.h"

namespace livefork {

// Those that may be made again as they are. ppoll(2), pselect6(2) and select(2) have written what
// is left to where the limit was. close(2) is not among them: its descriptor is gone.
bool CanBeMadeAgain(const Call& call);

// Whether the call has ended with a part of the bytes, of which it waits until all are through.
bool IsPartial(const Call& call, long result);

}  // namespace livefork
