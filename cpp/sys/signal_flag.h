// Flags that a signal raises in memory, which JavaScript reads without a call. A record per signal
// in a self-pipe is the wake-up. Main thread only; the handler runs on any thread.
#pragma once

#include "sys/span.h"

namespace sys {

// Makes a flag for the signals in `numbers`. `memory` has one word that a signal sets to 1, then a
// count for each signal; it must stay until SignalFlagClose(). Returns an id, or -errno.
int SignalFlagOpen(Int32Span memory, Int32Span numbers);

// The self-pipe's read end.
int SignalFlagFd(int id);

// Moves records from the pipe to `into`, six words each: number, pid, uid, count and, as a double,
// milliseconds since 1970. Returns their number, 0 if there are none, or -errno.
int SignalFlagRead(int id, Int32Span into);

// Writes the latest record of a signal, for any flag, to `into`.
void SignalFlagLatest(int number, Int32Span into);

// How many deliveries of a signal any open flag has seen; wraps around.
int SignalFlagSeen(int number);

// Whether one of them was delivered to this process, and not to one that it was copied from.
bool SignalFlagCame(int number);

// Returns when the record of each signal that was counted before the call is in the pipe or
// dropped.
void SignalFlagSettle(int id);

// Removes the flag from its signals and restores their handlers. Afterwards no handler uses its
// memory.
void SignalFlagClose(int id);

// Detaches the memory from all flags before it is freed; signals stay caught.
void SignalFlagForgetAll();

// The real-time signals' lowest and highest number, which the C library computes.
int SignalRtMin();
int SignalRtMax();

}  // namespace sys
