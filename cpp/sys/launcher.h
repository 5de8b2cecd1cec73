// The launcher's side of becomeDaemon(): a wait that ends when the daemon is ready or cannot be.
#pragma once

#include <string>
#include <tuple>

namespace sys {

// How the wait ended; lib/daemon/report.ts has the same numbers.
enum class Birth : int {
  kReady = 0,        // the daemon's pid in the code's place
  kFailed = 1,       // the record's text says why
  kDied = 2,         // exit code or signal of the daemon; with a signal, 1: it left a core file
  kMiddleDied = 3,   // exit code or signal of the process between launcher and daemon
  kClosed = 4,       // the daemon lives, but can no longer say that it is ready
  kTimeout = 5,      //
  kInterrupted = 6,  // the signal that the launcher was sent
  kError = 7,        // -errno of a call that the wait needs
  kCallFailed = 8,   // -errno of a call on the way to the daemon; the text is its name
};

// {how, exit code, pid or -errno, signal, text}
using Outcome = std::tuple<int, int, int, std::string>;

// Waits for records on `channel`: "p<pid>" announces the daemon, "r" says ready, "f<text>" says
// why not, "e<errno> <call>" what could not be done; "s<text>" tells how far the daemon is, which
// becomes the text of the outcomes kDied, kClosed, kTimeout and kInterrupted; "t<signal>" has an
// exit that follows count as a death by that signal. Meanwhile copies `relay` (the daemon's
// standard error) to descriptor 2 and to `log` unless that is -1. `middle` is the first fork's
// child. Unless the outcome is kReady, everything that descends from `middle` has been ended and
// reaped on return.
//
// It replaces the handlers of SIGCHLD, SIGHUP, SIGINT, SIGQUIT and SIGTERM for good: the launcher
// does nothing after it but to _exit.
Outcome AwaitBirth(int channel, int relay, int log, int middle, int timeout_ms);

// Writes all of `text`, waiting where a non-blocking descriptor makes it wait. 0, or -errno.
int WriteAll(int fd, const std::string& text);

// Gives the terminal back the mode it had before this process made it raw.
void ResetTerminal();

}  // namespace sys
