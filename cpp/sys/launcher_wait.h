// The launcher's wait for the daemon; only for launcher.cc and its own file. No malloc: in a move
// (cpp/fork) the process's other threads are parked, and one may hold malloc's lock.
#pragma once

#include "sys/launcher.h"

namespace sys {

// How long the daemon may take to end after SIGTERM, and after its channel closed.
constexpr int kGraceMs = 2000;

// An Outcome without allocated memory; the text is in one of the buffers below.
struct End {
  Birth how;
  int code = 0;
  int signal = 0;
  const char* text = "";
};

// Waits, and ends the daemon if it does not become ready.
End WaitForDaemon(const Launch& launch);

}  // namespace sys
