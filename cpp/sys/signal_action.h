// One handler put over whatever handles a signal now, and given back later. Main thread only, but
// for CallNext().
#pragma once

#include <csignal>

namespace sys {

using SignalHandler = void (*)(int, siginfo_t*, void*);

// One past the highest signal number of Linux (64) and FreeBSD (128).
constexpr int kSignals = 129;

// Installs `handler` for the signal, the same one for each call; calls are counted. 0, or -errno.
int TakeSignal(int number, SignalHandler handler);

// Undoes one TakeSignal(); the last one restores what was there before the first.
void GiveSignalBack(int number);

// Whether there is a TakeSignal() that was not undone.
bool SignalTaken(int number);

// For the handler: runs the handlers that it covers. Async-signal-safe.
void CallNext(int number, siginfo_t* info, void* context);

}  // namespace sys
