// What becomes of a system call that the parking signal has cut short: it goes on, as if there had
// been no signal. SA_RESTART alone covers neither poll(2) nor select(2), epoll_wait(2),
// nanosleep(2), sigwaitinfo(2) and others, nor anything with a time limit: signal(7).
#pragma once

#include "arch.h"

namespace livefork {

// Last in the signal handler: makes the call again, or has it made on return. call was cut, and its
// number is known. Returns at once where an own signal of the program's is waiting, whose EINTR it
// is.
void Resume(void* ucontext, const Call& call);

// The same for a call that the signal has ended with a part of what was asked for: write(2) to a
// pipe or a socket that waits for room, send(2) likewise, recv(2) with MSG_WAITALL. Asking for the
// rest is what the kernel would have done; whatever else ended it ends that as well.
void Complete(void* ucontext, const Call& call);

// First in the signal handler: if the call that was cut is one of Resume()'s own, tells it that it
// was one of our signals, and returns true; there is nothing to resume then.
bool MarkCut(void* ucontext);

}  // namespace livefork
