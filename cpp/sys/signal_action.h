// Installs a handler over the present one of a signal, and removes it later. Main thread only,
// except CallNext().
#pragma once

#include <csignal>

namespace sys {

using SignalHandler = void (*)(int, siginfo_t*, void*);

// One above the highest signal number of Linux (64) and FreeBSD (128).
constexpr int kSignals = 129;

// Installs `handler` for the signal, the same one for each call; calls are counted. 0, or -errno.
int TakeSignal(int number, SignalHandler handler);

// Undoes one TakeSignal(); the last call restores the action from before the first.
void GiveSignalBack(int number);

// Whether there is a TakeSignal() that was not undone.
bool SignalTaken(int number);

// For the handler: runs the handlers below it. Async-signal-safe.
void CallNext(int number, siginfo_t* info, void* context);

// For the handler, if it has nobody to tell: after the last GiveSignalBack() sends this process the
// signal again, for the restored action. Async-signal-safe.
void SendAgainIfGivenBack(int number);

}  // namespace sys
