// Which system calls continue after our signal; resume.cc continues them.
#pragma once

#include "fork/base/call.h"

namespace livefork {

// Calls that may be repeated unchanged. ppoll(2), pselect6(2) and select(2) have written the
// remaining time to the timeout argument. close(2) is not included: its descriptor is already
// closed.
bool CanBeMadeAgain(const Call& call);

// Whether a call that waits means the same whatever its first argument is: a sleep in its various
// forms. It is never passed a wrong one, because it has got as far as waiting.
bool IgnoresFirst(const Call& call);

// Whether the call has ended with only a part of the bytes, although it normally waits for all.
bool IsPartial(const Call& call, long result);

}  // namespace livefork
