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
inline constexpr const char* kBirths[] = {"ready",   "failed",      "died",  "middleDied", "closed",
                                          "timeout", "interrupted", "error", "callFailed"};
static_assert(sizeof kBirths / sizeof *kBirths == static_cast<size_t>(Birth::kCallFailed) + 1);

// {how, exit code, pid or -errno, signal, text}
using Outcome = std::tuple<int, int, int, std::string>;

// What the wait is about.
struct Launch {
  int channel;  // takes the records below
  int relay;    // the daemon's standard error
  int log;      // where that goes too, or -1
  int middle;   // the first fork's child
  int timeout;  // milliseconds
  int notify;   // the service manager's socket, which is told of a daemon that is ready, or -1
  int say;  // where it is said that the daemon is ready, with its pid between the two texts, or -1
  const char* before;
  const char* after;
};

// Waits for records on `channel`: "p<pid>" announces the daemon, "r" says ready, "f<text>" says
// why not, "e<errno> <call>" what could not be done; "s<text>" tells how far the daemon is, which
// becomes the text of the outcomes kDied, kClosed, kTimeout and kInterrupted; "t<signal>" has an
// exit that follows count as a death by that signal. Meanwhile copies `relay` to descriptor 2 and
// to `log` (sys/relay.h): a reader of descriptor 2 that does not read holds up neither the daemon
// nor the time limit nor a signal. Unless the outcome is kReady,
// everything that descends from `middle` has been ended and reaped on return.
//
// It replaces the handlers of SIGCHLD, SIGHUP, SIGINT, SIGQUIT and SIGTERM for good, and lets these
// signals in: the launcher does nothing after it but to _exit.
Outcome AwaitBirth(int channel, int relay, int log, int middle, int timeout);

// The same for a process whose other threads are held (fork/fork.h): it takes no memory and no
// lock. Exits with 0 when the daemon is ready. Otherwise release() is called before it returns.
Outcome AwaitBirthHeld(const Launch& launch, void (*release)());

// Sends the record "p<pid>". Takes no memory and no lock.
void AnnounceChild(int channel, int pid);

// Writes all of `text`, waiting where a non-blocking descriptor makes it wait. 0, or -errno.
int WriteAll(int fd, const std::string& text);

// Gives the terminal back the mode it had before this process made it raw.
void ResetTerminal();

}  // namespace sys
