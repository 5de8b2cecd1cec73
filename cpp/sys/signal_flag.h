// Flags that a signal raises in memory which JavaScript reads without a call, with one record per
// signal in a self-pipe as the wake-up. Main thread only; the handler runs on any.
#pragma once

#include "sys/span.h"

namespace sys {

// Makes a flag of the signals in `numbers`. `memory` has one word that becomes 1 with a signal,
// then one per signal that counts it; it must stay until SignalFlagClose(). Returns an id, or
// -errno.
int SignalFlagOpen(Int32Span memory, Int32Span numbers);

// The self-pipe's read end.
int SignalFlagFd(int id);

// Moves records from the pipe to `into`, six words each: number, pid, uid, count and, as a double,
// milliseconds since 1970. Returns how many came, 0 when there are no more, or -errno.
int SignalFlagRead(int id, Int32Span into);

// Writes the latest record of a signal, whichever flag it was for, to `into`.
void SignalFlagLatest(int number, Int32Span into);

// How many deliveries of a signal were seen by a flag that was open then; wraps around.
int SignalFlagSeen(int number);

// Whether one of them came to this very process, and not to one that it was copied from.
bool SignalFlagCame(int number);

// Returns when each signal counted before the call has its record in the pipe, or dropped.
void SignalFlagSettle(int id);

// Takes the flag off its signals, restoring their handlers. No handler uses its memory after this.
void SignalFlagClose(int id);

// Takes the memory from all flags, when it is about to be freed; signals stay caught.
void SignalFlagForgetAll();

// The real-time signals' lowest and highest number, which the C library computes.
int SignalRtMin();
int SignalRtMax();

}  // namespace sys
