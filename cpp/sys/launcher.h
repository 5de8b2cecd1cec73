// The launcher's side of becomeDaemon(): a wait until the daemon is ready or has failed.
#pragma once

#include <string>
#include <tuple>

namespace sys {

// How the wait ended; lib/daemon/report.ts has the same numbers.
enum class Birth : int {
  kReady = 0,        // with the daemon's pid instead of the code
  kFailed = 1,       // the record's text is the reason
  kDied = 2,         // exit code or signal of the daemon; with a signal, code 1: core dumped
  kMiddleDied = 3,   // exit code or signal of the process between launcher and daemon
  kClosed = 4,       // the daemon runs, but can no longer report that it is ready
  kTimeout = 5,      //
  kInterrupted = 6,  // the signal that the launcher received
  kError = 7,        // -errno of a call for the wait
  kCallFailed = 8,   // -errno of a call that makes the daemon; the text is its name
};
inline constexpr const char* kBirths[] = {"ready",   "failed",      "died",  "middleDied", "closed",
                                          "timeout", "interrupted", "error", "callFailed"};
static_assert(sizeof kBirths / sizeof *kBirths == static_cast<size_t>(Birth::kCallFailed) + 1);

// {how, exit code, pid or -errno, signal, text}
using Outcome = std::tuple<int, int, int, std::string>;

// The parameters of the wait.
struct Launch {
  int channel;  // receives the records below
  int relay;    // the daemon's standard error
  int log;      // the log, which gets a copy, or -1
  int middle;   // the first fork's child
  int timeout;  // milliseconds
  int notify;   // the service manager's socket for the report of readiness, or -1
  int say;      // where to print the two texts, with the daemon's pid in between, or -1
  const char* before;
  const char* after;
};

// Waits for records on `channel`: "p<pid>" announces the daemon, "r" reports that it is ready,
// "f<text>" the reason of a failure, "e<errno> <call>" a failed call. "s<text>" reports the
// progress, which becomes the text of the outcomes kDied, kClosed, kTimeout and kInterrupted. After
// "t<signal>" an exit counts as a death by that signal. During the wait it copies `relay` to
// descriptor 2 and to `log` (sys/relay.h). A reader of descriptor 2 that does not read blocks
// neither the daemon nor the time limit nor a signal. Unless the outcome is kReady, all descendants
// of `middle` have been ended and reaped on return.
//
// It replaces the handlers of SIGCHLD, SIGHUP, SIGINT, SIGQUIT and SIGTERM permanently, and
// unblocks these signals: afterwards the launcher only calls _exit.
Outcome AwaitBirth(int channel, int relay, int log, int middle, int timeout);

// The same for a process whose other threads are parked (fork/fork.h): it allocates no memory and
// takes no lock. Exits with 0 when the daemon is ready. Otherwise it calls release() before it
// returns.
Outcome AwaitBirthHeld(const Launch& launch, void (*release)());

// Sends the record "p<pid>". Allocates no memory and takes no lock.
void AnnounceChild(int channel, int pid);

// Writes all of `text`, and waits if a non-blocking descriptor is full. 0, or -errno.
int WriteAll(int fd, const std::string& text);

// Restores the terminal's mode from before this process made it raw.
void ResetTerminal();

}  // namespace sys
